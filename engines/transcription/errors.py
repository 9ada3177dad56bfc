"""Every way an engine says no, in OpenAI's envelope.

    EngineError
    ├── AskedWrongly              4xx: the caller can mend it
    │   ├── BadParameter          400 invalid_value
    │   ├── BadAudio              400 invalid_audio
    │   ├── ModelNotFound         404 model_not_found
    │   └── UploadTooLarge        413 upload_too_large
    └── ModelUnavailable          503 model_unavailable: the model could not be loaded; the next request tries again

What is none of these is our fault and answered with 500 internal_error, without details. `code` is stable between
versions. A message is a sentence for the person reading it; it never holds a transcript or the name of an upload.
"""

from __future__ import annotations


class EngineError(Exception):
    """The root. `param` is the form field that is wrong, or None.

    retry_after: seconds after which asking again makes sense, or None.
    """

    status: int = 500
    code: str = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class AskedWrongly(EngineError):
    status, code = 400, "invalid_request"


class BadParameter(AskedWrongly):
    status, code = 400, "invalid_value"


class BadAudio(AskedWrongly):
    """The upload holds nothing that could be listened to. Silence is not an error: it has an empty transcript."""

    status, code = 400, "invalid_audio"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="file")


class ModelNotFound(AskedWrongly):
    status, code = 404, "model_not_found"


class UploadTooLarge(AskedWrongly):
    status, code = 413, "upload_too_large"


class ModelUnavailable(EngineError):
    status, code = 503, "model_unavailable"


def envelope(status: int, code: str, message: str, param: str | None = None) -> dict[str, dict[str, str | None]]:
    """The JSON that OpenAI's clients understand. `type` tells whose fault it is."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
