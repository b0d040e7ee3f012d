"""The stand-in's answers, to the letter as n8n 2.41 gave them (in production mode)."""

import json

from starlette.responses import Response

from bridge.formats.json_faults import JsonFault
from bridge.models import Json

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

NOT_ACTIVE_HINT = (
    "The workflow must be active for a production URL to run successfully. You can activate the "
    "workflow using the toggle in the top-right of the editor. Note that unlike test URL calls, "
    "production URL calls aren't shown on the canvas (only in the executions list)"
)


class RefusalError(Exception):
    """A request that comes to nothing, with the answer that says so."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def answered(value: Json, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(written(value), status, {"content-type": JSON_TYPE})


def answered_text(text: str, status: int = 200) -> Response:
    """Answer with text, which n8n labels as HTML, JSON texts included."""
    return Response(text, status, {"content-type": HTML_TYPE})


def written(value: Json) -> str:
    """Write JSON as JavaScript does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def failed(status: int, message: str, code: int | None = None, **more: Json) -> Response:
    """Answer with n8n's error body; `code` is the status unless n8n gives another."""
    return answered({"code": status if code is None else code, "message": message, **more}, status)


def started() -> Response:
    """Report that a workflow answers at once, or that a resume was taken."""
    return answered({"message": "Workflow was started"})


def error_in_workflow() -> Response:
    """Report that a workflow failed; n8n never says how."""
    return answered({"message": "Error in workflow"}, 500)


def problem_executing() -> Response:
    """Report that a body was too long, or that two resumes met."""
    return failed(500, "There was a problem executing the workflow", 0)


def not_registered(method: str, path: str) -> Response:
    """Report that no active workflow has this path."""
    message = f'The requested webhook "{method} {path}" is not registered.'
    return failed(404, message, hint=NOT_ACTIVE_HINT)


def other_method(method: str, known: str) -> Response:
    """Report that the path is there, for another method."""
    sentence = f"This webhook is not registered for {method} requests. "
    return failed(404, f"{sentence}Did you mean to make a {known} request?")


def unparsed(error: json.JSONDecodeError) -> Response:
    """Report that the body is no JSON."""
    fault = JsonFault.of(error)
    at = f"at position {fault.position} (line {fault.line} column {fault.column})"
    return failed(422, "Failed to parse request body", hint=f"{fault.what} in JSON {at}")


def invalid_token() -> Response:
    """Report that a resume address has no signature, or a wrong one."""
    return answered({"error": "Invalid token"}, 401)


def no_execution(execution_id: str) -> Response:
    """Report that a resume address names no execution."""
    return failed(404, f'The execution "{execution_id}" does not exist.')


def no_wait(execution_id: str) -> Response:
    """Report that the execution waits for another suffix or method."""
    sentence = f'The workflow for execution "{execution_id}" does not contain a waiting webhook'
    return failed(404, f"{sentence} with a matching path/method.")


def running_already(execution_id: str) -> Response:
    """Report that the execution has not parked yet, or has gone on."""
    return failed(409, f'The execution "{execution_id}" is running already.')


def finished_already(execution_id: str) -> Response:
    """Report that the execution is over; the missing quotation mark is n8n's."""
    return failed(409, f'The execution "{execution_id} has finished already.')


def finished_with_error(execution_id: str) -> Response:
    """Report that the execution has failed."""
    return failed(409, f'The execution "{execution_id}" has finished with error.')


def starting_up() -> Response:
    """Report what n8n says with status 200 to everyone while it migrates its database."""
    return answered_text("n8n is starting up. Please wait")


def database_not_ready() -> Response:
    """Report that n8n has lost its database."""
    return failed(503, "Database is not ready!")


def cannot(method: str, path: str) -> Response:
    """Show the page for addresses unknown, which n8n also shows until its routes are up."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n'
        f"</head>\n<body>\n<pre>Cannot {method} {path}</pre>\n</body>\n</html>\n"
    )
    return answered_text(page, 404)
