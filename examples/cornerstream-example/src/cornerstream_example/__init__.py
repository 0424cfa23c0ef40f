"""Plug-ins for cornerstream: image ids of `npy:`, and a decoder of a private transfer syntax."""
