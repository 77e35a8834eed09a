"""Networks whose streams share nothing: one module per stream, each with classifiers of its own."""

from .network import VideoNetwork, check_clip


class SideBySide(VideoNetwork):
    """`streams`: {name: module that maps (B, T, C, H, W) and a dataset to (B, T', classes)}. Every stream is a head."""

    def __init__(self, settings, inputs, streams):
        super().__init__(settings, inputs)
        self.heads = tuple(streams)
        for name, stream in streams.items():
            self.add_module(name, stream)

    def forward(self, clip, dataset=None):
        """{stream: (B, T, C, H, W)} -> {stream: (B, T', classes of `dataset`)}."""
        check_clip(self, clip)
        return {name: getattr(self, name)(clip[name], dataset) for name in self.heads}
