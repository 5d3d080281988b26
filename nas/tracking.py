"""The public address of the trackers, as in ``nas.tracking.MLflow(...)``; see `nas.integrations`."""

from nas.integrations import MLflow, TensorBoard, WandB, tracker_of

__all__ = ["MLflow", "TensorBoard", "WandB", "tracker_of"]
