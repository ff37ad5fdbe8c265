"""Tosa: screen a cough or a chest X-ray. For learning and research; not a medical device.

The modules, in the order the data takes: settings, errors, memory, audio, xray, decoding, graph, cut, engine, network,
serving, explain, screening, log, server; tosa.training makes the graph that network runs.
"""

__version__ = "0.2.0.dev0"
