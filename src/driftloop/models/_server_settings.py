"""What a study says of a model on a server."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from . import _server
from ._protocols import Settings
from ._telling import DEFAULT_TOLD

OFFICIAL = "https://api.openai.com/v1/"
HERE = {"localhost", "127.0.0.1", "::1"}
"""Where a server costs nothing unless the study says so."""
OURS = {"model", "prompt", "messages"}
FOR_GENERATORS = {"width", "height", "response_format", "price_call"}
FOR_CAPTIONERS = {
    "instruction", "words", "temperature", "top_p", "max_tokens", "price_1k_input",
    "price_1k_output",
}  # fmt: skip


class OpenAISettings(Settings):
    """Settings of a model on a server."""

    UNDECIDING = frozenset(
        {
            "batch_size", "api_key_env", "concurrency", "timeout", "retries", "backoff", "gives_up",
            "price_call", "price_1k_input", "price_1k_output",
        }
    )  # fmt: skip
    UNHURRIED = frozenset(
        {
            "batch_size", "api_key_env", "timeout", "retries", "backoff", "gives_up", "temperature",
            "top_p", "price_call", "price_1k_input", "price_1k_output",
        }
    )  # fmt: skip
    path: str
    """The model's name on the server."""
    role: Literal["generator", "captioner"]
    """What it does: draw by the images endpoint, or describe by chat completions."""
    base_url: str = OFFICIAL
    """The server's address, e.g. ``http://localhost:8000/v1``."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key. The key itself is kept nowhere, and goes only to
    an address that it belongs to, see ``docs/design.md``, "Keys"."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 8
    """Requests that are out at the same time."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """Seconds for a whole answer, from the first byte that is sent to the last that comes."""
    retries: Annotated[int, Field(ge=0, le=50)] = 8
    """Times to ask again after a time-out, a cut connection, 429, 5xx or half an answer."""
    backoff: Annotated[float, Field(ge=0, le=60)] = 0.5
    """Seconds before asking again, doubled each time up to 30."""
    gives_up: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    """Requests in a row that may stay without an answer, after all retries, before the run stops:
    the server is gone then, and would fail each trajectory in turn."""
    seeded: bool | None = None
    """Whether the server takes a seed. By default a captioner's is told one; an images endpoint is
    not, as OpenAI's refuses it and others call it ``seed``."""
    width: Annotated[int, Field(ge=8, le=16384)] | None = None
    """Pixels of a picture; by default the server's own."""
    height: Annotated[int, Field(ge=8, le=16384)] | None = None
    """Pixels of a picture; by default the server's own."""
    response_format: Literal["b64_json", "url"] | None = None
    """How pictures come, for servers that ask; both are understood whichever comes."""
    instruction: str = DEFAULT_TOLD
    """What a captioner is told; ``{words}`` stands for the word budget."""
    words: Annotated[int, Field(ge=1, le=4000)] | None = None
    """Word budget. What a caption has beyond it is cut at a sentence end, and recorded. Where a
    script has no blanks between words, a Chinese character or a hiragana counts as one, and so do
    three letters of Thai, Lao, Khmer or Burmese."""
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    """Sampling temperature; by default the server's own."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sample from the smallest set of tokens with this probability; by default the server's own."""
    max_tokens: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Tokens a caption may have; by default the server's own number."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the server takes, e.g. ``{ quality = "low" }`` or ``{ steps = 30 }``."""
    price_call: Annotated[float, Field(ge=0)] | None = None
    """Money a picture, for ``driftloop plan``."""
    price_1k_input: Annotated[float, Field(ge=0)] | None = None
    """Money a thousand tokens read, for ``driftloop plan``."""
    price_1k_output: Annotated[float, Field(ge=0)] | None = None
    """Money a thousand tokens written, for ``driftloop plan``."""

    @model_validator(mode="before")
    @classmethod
    def _a_micro_batch_is_what_is_out(cls, data: Any) -> Any:
        # Requests know nothing of each other, so there is no best size to be probed for.
        if isinstance(data, dict) and data.get("batch_size") is None:
            return {**data, "batch_size": data.get("concurrency", 8)}
        return data

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            port = urlsplit(url).port
        except ValueError as error:
            raise ValueError(f"'{url}' is no address of a server: {error}") from error
        if port == 0:
            raise ValueError(f"'{url}' is no address of a server: no server has port 0")
        return _server.check_address(url)

    @field_validator("extra")
    @classmethod
    def _can_be_sent(cls, extra: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(extra, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"it cannot be sent as JSON: {error}") from error
        return extra

    @model_validator(mode="after")
    def _hangs_together(self) -> OpenAISettings:
        others = FOR_CAPTIONERS if self.role == "generator" else FOR_GENERATORS
        if wrong := sorted(others & self.model_fields_set):
            raise ValueError(f"a {self.role} has no {', '.join(wrong)}")
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        if wrong := sorted(OURS & self.extra.keys()):
            raise ValueError(
                f"extra must not have {', '.join(wrong)}, which the client says itself"
            )
        if self.extra.get("stream") or self.extra.get("n", 1) != 1:
            raise ValueError("extra: one answer is read, whole: leave out stream, and n")
        if "{words}" in self.instruction and self.words is None:
            raise ValueError("the instruction says {words}, but no word budget 'words' is set")
        return self

    def price(self, known: dict[str, Any]) -> float | None:
        """Money a call: told by the study, and for captions by what earlier calls took."""
        told = (self.price_call, self.price_1k_input, self.price_1k_output)
        if not any(price is not None for price in told):
            return 0.0 if urlsplit(self.base_url).hostname in HERE else None
        if self.role == "generator":
            return self.price_call
        tokens = [known.get(name) for name in ("tokens_in", "tokens_out")]
        if None in tokens:
            return None
        prices = (self.price_1k_input or 0, self.price_1k_output or 0)
        return sum(p * (t or 0) / 1000 for p, t in zip(prices, tokens, strict=True))
