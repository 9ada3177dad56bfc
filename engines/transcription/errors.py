"""Every way an engine says no, in OpenAI's envelope.

    EngineError
    ├── AskedWrongly              4xx: the caller can mend it
    │   ├── BadParameter          400 invalid_value
    │   ├── BadAudio              400 invalid_audio
    │   │   └── RecordingTooLong  400 invalid_audio
    │   ├── ModelNotFound         404 model_not_found
    │   ├── ModelNotLoaded        404 model_not_loaded
    │   ├── ModelAlreadyLoaded    409 model_already_loaded
    │   ├── ModelInUse            409 model_in_use
    │   └── UploadTooLarge        413 upload_too_large
    ├── NoRoomForUpload           503 no_room_for_upload: where uploads wait, nothing can be written
    ├── OutOfMemory               503 out_of_memory: of the device that computes
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


class RecordingTooLong(BadAudio):
    def __init__(self, limit: float) -> None:
        super().__init__(f"The recording is longer than the {limit / 3600:g} hours that this server accepts.")


class ModelNotFound(AskedWrongly):
    status, code = 404, "model_not_found"


class ModelNotLoaded(AskedWrongly):
    """It cannot be unloaded, because it takes no memory."""

    status, code = 404, "model_not_loaded"


class ModelAlreadyLoaded(AskedWrongly):
    status, code = 409, "model_already_loaded"


class ModelInUse(AskedWrongly):
    """It cannot be unloaded now: requests use it, or it is just being loaded."""

    status, code = 409, "model_in_use"


class UploadTooLarge(AskedWrongly):
    status, code = 413, "upload_too_large"


class ModelUnavailable(EngineError):
    status, code = 503, "model_unavailable"


class NoRoomForUpload(EngineError):
    status, code = 503, "no_room_for_upload"

    def __init__(self) -> None:
        super().__init__(
            "The server has no room to keep an upload of this size. Ask again in a moment, or send a smaller file.",
            param="file",
            retry_after=5,
        )


class OutOfMemory(EngineError):
    """Also for a single window of sound, or half a batch."""

    status, code = 503, "out_of_memory"

    def __init__(self) -> None:
        super().__init__(
            "The device has not enough memory free for this request now. Ask again in a moment; the operator may "
            "choose a smaller model, batch size or compute type.",
            retry_after=5,
        )


def envelope(status: int, code: str, message: str, param: str | None = None) -> dict[str, dict[str, str | None]]:
    """The JSON that OpenAI's clients understand. `type` tells whose fault it is."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
