"""A CT-like study computed in code, for demonstrations, tests and benchmarks."""

from cornerstream.phantom.encoding import CT_SYNTAXES, Syntax
from cornerstream.phantom.study import PhantomSeries, PhantomStudy, write_study
from cornerstream.phantom.volume import Phantom

__all__ = ["CT_SYNTAXES", "Phantom", "PhantomSeries", "PhantomStudy", "Syntax", "write_study"]
