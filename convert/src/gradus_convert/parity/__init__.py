"""The parity proof, run at every conversion: native library, interpreter and compiled graph agree."""

from gradus_convert.parity.proof import TOLERANCE, LevelMember, prove_level
from gradus_convert.parity.rows import ordinary_rows

__all__ = ["TOLERANCE", "LevelMember", "ordinary_rows", "prove_level"]
