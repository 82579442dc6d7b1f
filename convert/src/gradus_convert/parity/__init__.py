"""The parity proof, run at every conversion: native library, interpreter and compiled graph agree."""

from gradus_convert.parity.ordinary_rows import ordinary_rows
from gradus_convert.parity.proof import PROOF_TOLERANCE, LevelMember, Proof, prove_level
from gradus_convert.parity.third_opinion import ThirdOpinion

__all__ = ["PROOF_TOLERANCE", "LevelMember", "Proof", "ThirdOpinion", "ordinary_rows", "prove_level"]
