"""The rules beyond those of a start: what would go wrong later, elsewhere, or unseen."""

from bridge.configuration.findings import Rule, Severity

SECRET_IN_CLEAR = Rule(
    "secret-in-clear",
    Severity.ERROR,
    "A secret stands in the file, which is copied, shown and committed.",
    "Put it into the environment or .env, and write env:NAME; make a new one if it was shared.",
)
ADDRESS_PLAIN = Rule(
    "address-plain",
    Severity.WARNING,
    "A secret is sent over a network without encryption.",
    "Use https://, or an address inside your own network.",
)
ADDRESS_OF_TEST = Rule(
    "address-of-test",
    Severity.ERROR,
    "A workflow's address is n8n's test address, which works once, while the editor listens.",
    "Publish the workflow in n8n and use its production address, with /webhook/.",
)
ADDRESS_PARAMETER = Rule(
    "address-parameter",
    Severity.ERROR,
    "A workflow's address has a path parameter that nothing fills in.",
    "Give the Webhook node a path without parameters, and let `input` carry the value.",
)
ARGUMENT_UNDESCRIBED = Rule(
    "argument-undescribed",
    Severity.WARNING,
    "A required argument has no description, so Claude has to guess what it is.",
    "Add a `description` that says what it is, in which form, and where Claude finds it.",
)
ARGUMENT_UNDECLARED = Rule(
    "argument-undeclared",
    Severity.ERROR,
    "A required argument is none of the properties, so Claude cannot know of it.",
    "Add it to `properties`, or take it out of `required`.",
)
KEYWORD_UNKNOWN = Rule(
    "keyword-unknown",
    Severity.WARNING,
    "A schema has a keyword that JSON Schema does not know, so it asks for nothing.",
    "Spell it as JSON Schema does; a field stands under `properties`. Your own begin with x-.",
)
INPUT_INVALID = Rule(
    "input-invalid",
    Severity.ERROR,
    "An `input` is no JSON Schema of 2020-12, and Claude's API refuses every request with it.",
    "Write it as 2020-12 has it: `prefixItems` for lists of `items`, numbers as exclusive bounds.",
)
INPUT_DIALECT = Rule(
    "input-dialect",
    Severity.WARNING,
    "An `input` names another dialect than Claude's API reads it in.",
    "Leave `$schema` out, and write the schema as 2020-12.",
)
INPUT_DEEP = Rule(
    "input-deep",
    Severity.WARNING,
    "An `input` has objects within objects within objects, which claude.ai leaves out.",
    "Flatten it, or take the inner object as a text of JSON.",
)
DEFAULT_WRONG = Rule(
    "default-wrong",
    Severity.WARNING,
    "A default or example breaks its own schema, and Claude is led to send what is refused.",
    "Change the value or the schema.",
)
OUTPUT_UNREAD = Rule(
    "output-unread",
    Severity.WARNING,
    "Stock clients could not read an `output`, so they are told its type alone.",
    "Use patterns that Python and JavaScript both read, and no draft 4.",
)
OUTPUT_WRAPPED = Rule(
    "output-wrapped",
    Severity.NOTE,
    "An `output` may be no object, which MCP wants, so Claude gets it as {result: …}.",
    "Add `type: object` if the workflow answers with an object; else leave it.",
)
TOOL_NAME_LONG = Rule(
    "tool-name-long",
    Severity.WARNING,
    "A tool's name, with its server's before it, is longer than Claude's API takes.",
    "Shorten the server's name or the tool's.",
)
TOOL_SHADOWED = Rule(
    "tool-shadowed",
    Severity.WARNING,
    "Two tools have one name to clients that do not put the server's before it.",
    "Rename one of them, after what it works on.",
)
TOOL_UNANNOTATED = Rule(
    "tool-unannotated",
    Severity.WARNING,
    "A workflow does not say what it does to the world, so clients take it for one that destroys.",
    "Add `annotations`: `read_only: true`, or `destructive: true` or `false`.",
)
TOOL_MISANNOTATED = Rule(
    "tool-misannotated",
    Severity.WARNING,
    "A workflow's annotations do not go with the method that it is called by.",
    "Change `annotations` or `method`.",
)
APPROVAL_IDLE = Rule(
    "approval-idle",
    Severity.WARNING,
    "A workflow never asks for the approval that its file names.",
    "Change `approve` to when somebody must agree, or drop it with `by` and `approve_within`.",
)
APPROVAL_UNASKED = Rule(
    "approval-unasked",
    Severity.WARNING,
    "A hook does not take the question whether a workflow may be run, or not the answer.",
    "Let its `payload` allow the question and its `reply` `{approved: true}`, or ask another hook.",
)
HOOK_UNDESCRIBED = Rule(
    "hook-undescribed",
    Severity.WARNING,
    "A hook has no description, by which Claude knows what arrives and what to answer.",
    "Add a `description`.",
)
TOOL_COSTLY = Rule(
    "tool-costly",
    Severity.WARNING,
    "A tool's definition takes many tokens of every request.",
    "Shorten descriptions, drop arguments that are seldom used, or split the tool.",
)
SERVER_COSTLY = Rule(
    "server-costly",
    Severity.WARNING,
    "A server's tools are so many, or take so many tokens, that Claude chooses worse among them.",
    "Make several servers of it, by what people use together.",
)

HISTORY_REFUSED = Rule(
    "history-refused",
    Severity.ERROR,
    "A schema would refuse what is on record (`--history`).",
    "Widen the schema, or change what is sent before the schema.",
)

N8N_UNASKED = Rule(
    "n8n-unasked",
    Severity.ERROR,
    "n8n's API does not answer as it should (`--online`).",
    "Set BRIDGE_N8N_URL and BRIDGE_N8N_API_KEY to those of an n8n that runs.",
)
WEBHOOK_ELSEWHERE = Rule(
    "webhook-elsewhere",
    Severity.NOTE,
    "A workflow's address is none of this n8n's, so it was not looked for (`--online`).",
    "Write ${BRIDGE_N8N_URL} for n8n's address, if it is this n8n.",
)
WEBHOOK_MISSING = Rule(
    "webhook-missing",
    Severity.ERROR,
    "n8n has no webhook at a workflow's address (`--online`).",
    "Give the Webhook node this path, or mend `url`.",
)
WEBHOOK_UNPUBLISHED = Rule(
    "webhook-unpublished",
    Severity.ERROR,
    "n8n has the webhook, but has not published it (`--online`).",
    "Publish the workflow in n8n.",
)
WEBHOOK_METHOD = Rule(
    "webhook-method",
    Severity.ERROR,
    "n8n's webhook listens for another method (`--online`).",
    "Change `method`, or the HTTP Method of the Webhook node.",
)
WEBHOOK_AUTH = Rule(
    "webhook-auth",
    Severity.ERROR,
    "n8n's webhook asks for another kind of credential (`--online`).",
    "Change `auth`, or the Authentication of the Webhook node.",
)
WEBHOOK_OPEN = Rule(
    "webhook-open",
    Severity.WARNING,
    "n8n's webhook asks for no credential, though one is sent to it (`--online`).",
    "Set the Authentication of the Webhook node, and its credential.",
)
WEBHOOK_RESULT = Rule(
    "webhook-result",
    Severity.ERROR,
    "n8n's webhook answers otherwise than `result` needs (`--online`).",
    "Change `result`, or how the Webhook node responds.",
)
WEBHOOK_EARLY = Rule(
    "webhook-early",
    Severity.WARNING,
    "n8n's webhook answers before the workflow has run, so Claude gets no result (`--online`).",
    "Respond when the last node finishes, or with the execution's id.",
)
WEBHOOK_INPUT = Rule(
    "webhook-input",
    Severity.WARNING,
    "An `input` is not what the workflow in n8n says that it takes (`--online`).",
    "Change one of them; `n8n-bridge discover` writes what n8n says.",
)
HOOK_MISSING = Rule(
    "hook-missing",
    Severity.WARNING,
    "A workflow in n8n sends to a hook that there is not (`--online`).",
    "Add the hook, or mend the address in n8n's HTTP Request node.",
)

BEYOND_STARTS = (
    SECRET_IN_CLEAR,
    ADDRESS_PLAIN,
    ADDRESS_OF_TEST,
    ADDRESS_PARAMETER,
    ARGUMENT_UNDESCRIBED,
    ARGUMENT_UNDECLARED,
    KEYWORD_UNKNOWN,
    INPUT_INVALID,
    INPUT_DIALECT,
    INPUT_DEEP,
    DEFAULT_WRONG,
    OUTPUT_UNREAD,
    OUTPUT_WRAPPED,
    TOOL_NAME_LONG,
    TOOL_SHADOWED,
    TOOL_UNANNOTATED,
    TOOL_MISANNOTATED,
    APPROVAL_IDLE,
    APPROVAL_UNASKED,
    HOOK_UNDESCRIBED,
    TOOL_COSTLY,
    SERVER_COSTLY,
)
"""What is found in the files themselves."""

ELSEWHERE = (
    HISTORY_REFUSED,
    N8N_UNASKED,
    WEBHOOK_ELSEWHERE,
    WEBHOOK_MISSING,
    WEBHOOK_UNPUBLISHED,
    WEBHOOK_METHOD,
    WEBHOOK_AUTH,
    WEBHOOK_OPEN,
    WEBHOOK_RESULT,
    WEBHOOK_EARLY,
    WEBHOOK_INPUT,
    HOOK_MISSING,
)
"""What is found by looking elsewhere: into the store, or at n8n."""
