"""Decoders, one module a family; `cornerstream.operators.decoder_table` says which one decodes what."""
