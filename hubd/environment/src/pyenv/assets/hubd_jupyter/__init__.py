"""The Jupyter server of one student of the hub: `python -I -m hubd_jupyter`, with its settings in `HUBD_*` variables."""
