"""From stored values to modality values and to pixels for a screen (PS3.3 C.11, PS3.4 N.2)."""
