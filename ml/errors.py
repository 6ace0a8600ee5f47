"""What ml refuses to do, in one tree.

MlError
├── TooFewRows         a sample is too small, or has one class only: no number would mean anything
├── TooFewSnapshots    the history is too short to hold train, validation and holdout apart
├── UnknownColumns     a frame does not have the columns that the model was trained on
├── UnknownTrees       a model's trees are of a kind that is not explained
├── TraitLearnt        a declared sensitive trait is among the features
├── InvalidLabel       a file of ml/labels does not say a label
└── NotAdditive        SHAP values and base value do not sum to the margin
├── NotAdditive        SHAP values and base value do not sum to the margin
├── NoGpu              trees were to be grown on a GPU, and there is none
└── NoCluster          trees were to be grown on a Dask cluster, and none answers
"""


class MlError(ValueError):
    """Anything that ml refuses on purpose, in one line."""


class TooFewRows(MlError):
    """A sample is too small for the statistic, or one class is missing."""


class TooFewSnapshots(MlError):
    """The history is too short for a split by time."""


class UnknownColumns(MlError):
    """The frame's columns are not the model's."""


class UnknownTrees(MlError):
    """The model's trees are of a kind that is not explained."""


class TraitLearnt(MlError):
    """A model was about to learn from a declared sensitive trait."""


class InvalidLabel(MlError):
    """A file of ml/labels does not say a label."""


class NotAdditive(MlError):
    """The contributions of a row do not sum to its margin."""


class NoGpu(MlError):
    """The machine has no GPU that XGBoost can see."""


class NoCluster(MlError):
    """The Dask scheduler does not answer, or has no worker."""
