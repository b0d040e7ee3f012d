"""Server files with one fault each, and the start of what is said of it after the file's name."""

HOOK = "name: s\nhooks:\n  h:\n    auth: {bearer: env:HOOK_TOKEN}\n"
WORKFLOW = "name: s\nworkflows:\n  w:\n    url: ${BRIDGE_N8N_URL}/webhook/w\n"
"""Sound files with one hook, one workflow; a further key goes to line 5."""
HMAC = "name: s\nhooks: {h: {auth: {hmac:\n  {header: X-Sig,\n  secret: env:HOOK_TOKEN,\n"
"""The start of one hook, whose further key goes to line 5."""

WRONG = {
    "name: S\n": "1: name must be named in small letters",
    "title: x\n": "1: the file needs `name`",
    "- a\n": "1: the file must be a mapping",
    "": "1: the file must be a mapping",
    "name: s\nhook: {}\n": "2: hook is an unknown key; did you mean `hooks`?",
    "name: s\ntrim_context: soft\n": "2: trim_context must be true, false or hard",
    "name: s\ntokens: env:OTHER\n": "2: tokens must be a list",
    "name: s\ntokens: [other]\n": "2: tokens.0 must be env:NAME or {name: …, token: env:NAME}",
    "name: s\ntokens: [env:no-name]\n": "2: tokens.0 names no variable by `no-name`",
    "name: s\ntokens: [{name: a, token: ''}]\n": "2: tokens.0.token must be neither empty",
    "name: s\ntokens: [{name: a, token: x}, {name: b, token: x}]\n": (
        "2: tokens gives a and b the same token"
    ),
    "name: s\ndescription: env:OTHER\n": "2: description takes no secret: write ${NAME}",
    "name: s\nhooks:\n  Bad_One: {auth: {bearer: x}}\n": "3: hooks.Bad_One must be named in small",
    "name: s\nhooks:\n  h: {}\n": "3: hooks.h needs `auth`",
    "name: s\nhooks:\n  h:\n    auth: []\n": "4: hooks.h.auth needs at least one way",
    "name: s\nhooks:\n  h:\n    auth: {}\n": "4: hooks.h.auth must have exactly one of the keys",
    "name: s\nhooks:\n  h:\n    auth: env:OTHER\n": "4: hooks.h.auth must have exactly one",
    "name: s\nhooks:\n  h:\n    auth:\n      - bearer: x\n      - baerer: y\n": (
        "6: hooks.h.auth.1.baerer is no way to prove who sends; did you mean `bearer`?"
    ),
    "name: s\nhooks:\n  h:\n    auth:\n      basic:\n        user: a\n": (
        "5: hooks.h.auth.basic needs `password`"
    ),
    HOOK + "    name: h\n": "5: hooks.h.name is an unknown key",
    HOOK + "    lease_s: 5\n": "5: hooks.h.lease_s is an unknown key; did you mean `lease`?",
    HOOK + "    lease: soon\n": "5: hooks.h.lease must be a time such as",
    HOOK + "    lease: 0s\n": "5: hooks.h.lease must be longer than no time",
    HOOK + "    max_attempts: 0\n": "5: hooks.h.max_attempts must be greater than or equal to 1",
    HOOK + "    max_attempts: some\n": "5: hooks.h.max_attempts must be a whole number",
    HOOK + "    reply_url: maybe\n": "5: hooks.h.reply_url must be 'signed' or 'unsigned'",
    HOOK
    + "    coalesce: {key: id, window: 1s}\n": "5: hooks.h.coalesce.key must be a JSON Pointer",
    HOOK + "    limits: {rate: 100}\n": "5: hooks.h.limits.rate must be a rate such as",
    HOOK + "    payload: {type: strin}\n": "5: hooks.h.payload.type is no JSON Schema",
    HOOK + "    payload: {pattern: '('}\n": "5: hooks.h.payload.pattern is no JSON Schema",
    HOOK
    + "    reply:\n      $ref: https://example.com/s\n": "6: hooks.h.reply.$ref may only refer to",
    HOOK + "    reply:\n      $ref: '#/$defs/a'\n": "6: hooks.h.reply.$ref refers to #/$defs/a",
    HOOK + "    payload:\n      const: env:OTHER\n": "6: hooks.h.payload.const takes no secret",
    HOOK
    + "    default_reply: {}\n": "5: hooks.h.default_reply is never sent without `answer_within`",
    HOOK + "    answer_within: 1m\n    reply: {required: [a]}\n    default_reply:\n      b: 1\n": (
        "7: hooks.h.default_reply breaks the reply schema: /a is required"
    ),
    HOOK + "    keep: {headers: [Cookie]}\n": "5: hooks.h.keep.headers.0 is a credential",
    HOOK + "    keep: {headers: [X-Ok, X-Api-Key]}\n": "5: hooks.h.keep.headers.1 is a credential",
    HOOK + "    keep: {headers: [x-hub-signature]}\n": "5: hooks.h.keep.headers.0 is a credential",
    HOOK
    + "    keep: {headers: [Bridge-Reply-Url]}\n": "5: hooks.h.keep.headers.0 is the reply address",
    "name: s\nhooks:\n  h:\n    auth: {header: {name: X-Me, value: y}}\n"
    "    keep: {headers: [x-me]}\n": "5: hooks.h.keep.headers.0 is what proves this hook's sender",
    HOOK + "    keep: {headers: ['a b']}\n": "5: hooks.h.keep.headers.0 must be a header's name",
    HOOK + "    keep: {headers: ['*']}\n": "5: hooks.h.keep.headers.0 must name one header",
    HOOK + "    keep: {headers: [X-Ok, X-*]}\n": "5: hooks.h.keep.headers.1 must name one header",
    HOOK + "    keep: {}\n": "5: hooks.h.keep keeps nothing: name `headers`",
    HOOK + "    keep: {headers: []}\n": "5: hooks.h.keep keeps nothing",
    HOOK + "    keep: {headers: [], query: false}\n": "5: hooks.h.keep keeps nothing",
    **{
        f"name: s\nhooks: {{h: {{auth: {{header: {{\n  name: {name},\n  value: y}}}}}}}}\n": (
            "3: hooks.h.auth.header.name is set by HTTP itself or has a meaning to the bridge"
        )
        for name in ("Content-Length", "Bridge-Reply-Url", "host", "Connection", "Idempotency-Key")
    },
    **{
        f"{WORKFLOW}    auth: {{header: {{name: {name}, value: y}}}}\n": (
            "5: workflows.w.auth.header.name is set by"
        )
        for name in ("Transfer-Encoding", "bridge-callback-url", "Content-Type", "User-Agent")
    },
    HOOK + "    dedupe: {header: Content-Length}\n": "5: hooks.h.dedupe.header is set by HTTP",
    "name: s\nhooks:\n  h:\n    auth: {basic: {user: 'a:b', password: y}}\n": (
        "4: hooks.h.auth.basic.user must hold no colon"
    ),
    WORKFLOW + "    auth: {basic: {user: 'a:b', password: y}}\n": (
        "5: workflows.w.auth.basic.user must hold no colon"
    ),
    HOOK + "    dedupe: {}\n": "5: hooks.h.dedupe must have either `header` or `pointer`",
    HOOK + "    dedupe: {header: X-A, pointer: /id}\n": "5: hooks.h.dedupe must have either",
    HOOK + "    dedupe: {pointer: id}\n": "5: hooks.h.dedupe.pointer must be a JSON Pointer",
    HOOK + "    dedupe: {header: authorization}\n": (
        "5: hooks.h.dedupe.header is what proves this hook's sender: all events but one"
    ),
    HMAC + "  prefix: 'HMAC '}}}}\n": "5: hooks.h.auth.hmac.prefix must hold no comma",
    HMAC + "  signed: '{id}.{body}'}}}}\n": (
        "5: hooks.h.auth.hmac.signed may hold {timestamp} and {body}, and not {id}"
    ),
    HOOK + "    handshake: teams\n": "5: hooks.h.handshake must be slack, graph or {meta: env",
    HOOK + "    handshake: {meta: ''}\n": "5: hooks.h.handshake.meta must be neither empty",
    WORKFLOW + "    headers: {Host: a}\n": "5: workflows.w.headers.Host is set by the bridge",
    WORKFLOW + "    headers: {bridge-x: a}\n": "5: workflows.w.headers.bridge-x is set by the",
    WORKFLOW
    + "    headers: {Bridge-Caller: a}\n": "5: workflows.w.headers.Bridge-Caller is set by",
    WORKFLOW + "    auth: {header: {name: BRIDGE-CALLER, value: a}}\n": (
        "5: workflows.w.auth.header.name is set by HTTP itself or has a meaning to the bridge"
    ),
    WORKFLOW + "    caller: alice\n": "5: workflows.w.caller must be true or false",
    WORKFLOW + "    headers: {x-a: a, X-A: b}\n": "5: workflows.w.headers.X-A is given twice",
    WORKFLOW + "    headers: {X-A: ''}\n": "5: workflows.w.headers.X-A must be neither empty",
    WORKFLOW + "    auth: {bearer: x}\n    headers:\n      Authorization: y\n": (
        "7: workflows.w.headers.Authorization is set by `auth`"
    ),
    WORKFLOW + "    approve: sometimes\n": "5: workflows.w.approve must be never, always",
    WORKFLOW + "    approve: {when: {type: x}}\n": "5: workflows.w.approve.when.type is no JSON",
    WORKFLOW + "    by: mail\n": "5: workflows.w.by must be console, elicitation or {hook: …}",
    WORKFLOW + "    by: {hook: none}\n": "5: workflows.w.by.hook is no hook of this server",
    WORKFLOW + "    per: {principal: {}}\n": "5: workflows.w.per.principal must have `rate`",
    WORKFLOW + "    kind: ruby\n": "5: workflows.w.kind must be 'python'",
    WORKFLOW + "    handler: a:b\n": "5: workflows.w.handler is for `kind: python` alone",
    "name: s\nworkflows:\n  w: {kind: python}\n": "3: workflows.w needs `handler`",
    WORKFLOW + "    kind: python\n    handler: a:b\n": "4: workflows.w.url is not called with",
    "name: s\nworkflows:\n  w: {kind: python, handler: a}\n": (
        "3: workflows.w.handler must be written as package.module:function"
    ),
    "name: s\nworkflows:\n  a b: {url: 'http://x'}\n": "3: workflows.a b must be named in letters",
    "name: s\nworkflows:\n  take_event: {url: 'http://x'}\n": (
        "3: workflows.take_event has the name of a tool that every server has"
    ),
    "name: s\nworkflows:\n  w: {}\n": "3: workflows.w needs `url`",
    "name: s\nworkflows:\n  w: {url: 'ftp://n8n/w'}\n": "3: workflows.w.url must start with http://",
    "name: s\nworkflows:\n  w: {url: 'http://a:b@n8n/w'}\n": "3: workflows.w.url must hold no user",
    WORKFLOW + "    method: FETCH\n": "5: workflows.w.method must be 'GET', 'POST'",
    WORKFLOW + "    input: {type: string}\n": "5: workflows.w.input must describe an object",
    WORKFLOW + "    input: {}\n": "5: workflows.w.input must describe an object",
    WORKFLOW + "    output: {items: 3}\n": "5: workflows.w.output.items is no JSON Schema",
    WORKFLOW + "    result: later\n": "5: workflows.w.result must be 'response', 'execution' or",
    WORKFLOW + "    attach: sometimes\n": "5: workflows.w.attach must be true or false",
    WORKFLOW
    + "    retry: {atempts: 3}\n": "5: workflows.w.retry.atempts is an unknown key; did you",
    WORKFLOW + "    retry: {first: 0}\n": "5: workflows.w.retry.first must be longer",
    WORKFLOW
    + "    concurrency: 0\n": "5: workflows.w.concurrency must be greater than or equal to 1",
    WORKFLOW + "    annotations: {read_only: true, destructive: true}\n": (
        "5: workflows.w.annotations.destructive contradicts `read_only`"
    ),
    WORKFLOW + "    auth: {github: env:OTHER}\n": "5: workflows.w.auth.github is no way",
    WORKFLOW + "    auth: {header: {name: 'X Y', value: env:OTHER}}\n": (
        "5: workflows.w.auth.header.name must be a header's name"
    ),
}
