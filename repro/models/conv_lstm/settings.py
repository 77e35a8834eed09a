"""The switches of ConvNet + LSTM, checked once. Imports no torch."""

from dataclasses import dataclass

from ..two_stream_fusion.settings import TwoStreamFusionSettings


@dataclass(frozen=True)
class ConvLSTMSettings:
    """The defaults are the layer of Carreira and Zisserman 2017 on our towers (theirs is an Inception-v1).

    backbone        "vgg16" or "vgg_m", see two_stream_fusion; the LSTM sees its fc7, the mean over positions
    units           of the LSTM's one layer (paper: 512)
    norm            batch norm over clips and frames of what enters the LSTM; the paper names a batch norm without its place
    last_output     in evaluation the last step's scores alone (paper), T' = 1; False: those of all steps. In training always all
    width           factor on the channels of the backbone, not on `units`
    batch_norm      in the backbone, as in two_stream_fusion
    dropout         behind fc6 and fc7

    Raises ValueError naming the field and the value received.
    """

    backbone: str = "vgg16"
    units: int = 512
    norm: bool = True
    last_output: bool = True
    width: float = 1.0
    batch_norm: bool = False
    dropout: float = 0.5

    def __post_init__(self):
        if self.units < 1:
            raise ValueError(f"units must be at least 1, got {self.units!r}")
        _ = self.tower

    def check(self, inputs):
        """Raise ValueError unless the backbone suits the size of `inputs`."""
        self.tower.check(inputs)

    @property
    def tower(self):
        """The settings of each stream's tower."""
        common = {name: getattr(self, name) for name in ("backbone", "width", "batch_norm", "dropout")}
        return TwoStreamFusionSettings(fusion="none", temporal_pool=1, **common)

    @property
    def weights_layout(self):
        """Which layouts of start weights fit."""
        return self.tower.weights_layout


SETTINGS = ConvLSTMSettings
