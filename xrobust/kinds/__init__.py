"""The kinds of task that come with xrobust."""

from xrobust.kinds.multiple_choice import MultipleChoice
from xrobust.kinds.sequence_classification import SequenceClassification
from xrobust.kinds.token_classification import TokenClassification

__all__ = ["MultipleChoice", "SequenceClassification", "TokenClassification"]
