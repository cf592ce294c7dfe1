"""Errors as JSON: a status, a code for programs, a sentence for people."""

from aiohttp import web


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: for programs.
        text: for people; says what to do.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Later(ApiError):
    """A request that may well be served if it is sent again after a while.

    Args:
        code: for programs.
        text: for people.
        seconds: when to try again.
    """

    def __init__(self, code: str, text: str, seconds: int = 5) -> None:
        super().__init__(503, code, text)
        self.seconds = seconds


def refusal(status: int, code: str, text: str, seconds: int | None = None) -> web.Response:
    """Return the answer that says what is wrong.

    Args:
        status: of HTTP.
        code: for programs.
        text: for people.
        seconds: when to try again; None where that would not help.
    """
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    body = {"error": {"code": code, "text": text}}
    return web.json_response(body, status=status, headers=headers)
