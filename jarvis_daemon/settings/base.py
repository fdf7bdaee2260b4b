"""What every section of the settings is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

BACKUP_WINDOW = r"^([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d$"
QuietHours = Annotated[str, Field(pattern=BACKUP_WINDOW)]
MailAddress = Annotated[str, Field(pattern=r"^[^\s@<>\",;:()\[\]\\]+@[A-Za-z0-9.-]+$")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_default=True)
