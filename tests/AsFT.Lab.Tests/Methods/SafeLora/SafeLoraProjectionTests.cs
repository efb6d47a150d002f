using AsFT.Lab.Methods.SafeLora;
using AsFT.Torch.Alignment;
using AsFT.Torch.Tests.Alignment;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Methods.SafeLora;

public sealed class SafeLoraTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Layers_below_the_threshold_become_the_projected_update()
    {
        var layers = Enumerable.Range(0, 6).Select(i => TestLayers.Random($"l{i}", 10, 6, 2, generator: new Generator((ulong)i))).ToArray();
        var matrices = layers.ToDictionary(layer => layer.Name, layer => randn(10, 6, ScalarType.Float64, generator: new Generator(77)));
        using var direction = AlignmentDirection.FromTensors(matrices);
        var before = layers.Select(layer => layer.B.detach().clone()).ToArray();
        var expected = layers.Select(layer =>
        {
            var d = matrices[layer.Name];
            var update = layer.B.mm(layer.A).detach();
            var projected = (d.mm(d.t()) / d.norm()).mm(update);
            return (Projected: projected, Cosine: ((projected * update).sum() / projected.norm() / update.norm()).item<double>());
        }).ToArray();
        var threshold = expected.Select(layer => layer.Cosine).Order().ElementAt(2);

        var result = SafeLoraProjection.Apply(direction, layers, new() { SimilarityThreshold = threshold + 1e-9 });

        Assert.Equal(3, result.Count(layer => layer.IsProjected));
        for (var i = 0; i < layers.Length; i++)
        {
            Assert.Equal(layers[i].Name, result[i].LayerName);
            Assert.Equal(expected[i].Cosine, result[i].Similarity, 1e-9);
            Assert.Equal(expected[i].Cosine <= threshold + 1e-9, result[i].IsProjected);
            if (result[i].IsProjected) Assert.InRange(TestLayers.RelativeError(layers[i].B.mm(layers[i].A), expected[i].Projected), 0, 1e-9);
            else Assert.True(layers[i].B.equal(before[i]).all().item<bool>());
        }
    }

    [Fact]
    public void A_count_takes_the_layers_of_the_lowest_similarity()
    {
        var layers = Enumerable.Range(0, 5).Select(i => TestLayers.Random($"l{i}", 8, 8, 2, generator: new Generator((ulong)i))).ToArray();
        using var direction = AlignmentDirection.FromTensors(layers.ToDictionary(layer => layer.Name, layer => randn(8, 8, generator: new Generator(5))));
        var result = SafeLoraProjection.Apply(direction, layers, new() { LayerCount = 2 });
        Assert.Equal(result.OrderBy(layer => layer.Similarity).Take(2).Select(layer => layer.LayerName).Order(),
            result.Where(layer => layer.IsProjected).Select(layer => layer.LayerName).Order());
    }

    [Fact]
    public void A_file_of_spectra_is_enough()
    {
        var folder = Directory.CreateTempSubdirectory("asft-safe-lora-");
        try
        {
            var file = Path.Combine(folder.FullName, "spectra.safetensors");
            var (layer, other) = (TestLayers.Random("l", 9, 7, 2, generator: new Generator(1)), TestLayers.Random("l", 9, 7, 2, generator: new Generator(1)));
            using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = randn(9, 7, ScalarType.Float64, generator: new Generator(2)) });
            direction.Save(file, new AlignmentDirectionFormat { Encoding = AlignmentDirectionEncoding.Spectrum, VectorDType = ScalarType.Float64 });
            using (var loaded = AlignmentDirection.Load(file)) SafeLoraProjection.Apply(loaded, [layer], new() { LayerCount = 1 });
            SafeLoraProjection.Apply(direction, [other], new() { LayerCount = 1 });
            Assert.InRange(TestLayers.RelativeError(layer.B, other.B), 0, 1e-9);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void An_update_of_zero_has_similarity_1()
    {
        var layer = TestLayers.Create("l", randn(2, 4), zeros(5, 2));
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = randn(5, 4) });
        Assert.Equal(new SafeLoraLayer("l", 1, false), Assert.Single(SafeLoraProjection.Apply(direction, [layer])));
    }

    [Fact]
    public void Layers_without_a_direction_and_bad_options_are_refused()
    {
        var layer = TestLayers.Random("l", 5, 4, 2);
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["other"] = randn(5, 4) });
        Assert.Contains("'l'", Assert.Throws<InvalidOperationException>(() => SafeLoraProjection.Apply(direction, [layer])).Message, StringComparison.Ordinal);
        Assert.Empty(SafeLoraProjection.Apply(direction, [layer], new() { UnprotectedLayers = ["l"] }));
        Assert.Throws<ArgumentOutOfRangeException>(() => SafeLoraProjection.Apply(direction, [layer], new() { SimilarityThreshold = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => SafeLoraProjection.Apply(direction, [layer], new() { LayerCount = 0 }));
    }
}
