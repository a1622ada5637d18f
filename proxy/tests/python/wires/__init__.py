"""The wires that `upstreams.py` speaks, each a module with one `Wire`; `scenario` says what is
answered on all of them alike."""
