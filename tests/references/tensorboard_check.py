"""Prints the scalars of an event folder, read by TensorBoard itself, as JSON: {tag: [[step, value], ..]}.

usage: tensorboard_check.py FOLDER
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}))
