"""The version of the distribution, for hello and welcome. Standard library only.

Written here rather than read from the installed metadata, which costs a command 20 ms; a test holds it equal
to pyproject.toml.
"""

from typing import Final

VERSION: Final = "0.1.0"
