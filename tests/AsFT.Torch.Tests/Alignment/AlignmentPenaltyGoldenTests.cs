using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

/// <summary>Penalty and gradients against the published formulas, computed elsewhere.</summary>
[Trait("Category", "Goldens")]
public sealed class AlignmentPenaltyGoldenTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly JsonElement _golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(TestData.Goldens, "asft_penalty.json"))).RootElement;
    private readonly SafetensorsFile _tensors = SafetensorsFile.Open(Path.Combine(TestData.Goldens, "asft_penalty.safetensors"));

    public static TheoryData<string, AlignmentProjection, ScalarType, double> Variants { get; } = new()
    {
        { "reference", AlignmentProjection.Reference, ScalarType.Float64, 1e-9 },
        { "subspace90", AlignmentProjection.Subspace, ScalarType.Float64, 1e-9 },
        { "flattened", AlignmentProjection.Flattened, ScalarType.Float64, 1e-9 },
        { "reference", AlignmentProjection.Reference, ScalarType.Float32, 1e-4 },
        { "subspace90", AlignmentProjection.Subspace, ScalarType.Float32, 1e-4 },
        { "flattened", AlignmentProjection.Flattened, ScalarType.Float32, 1e-4 },
    };

    public void Dispose()
    {
        _tensors.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Every_case_gives_the_published_penalty_and_gradients(string name, AlignmentProjection projection, ScalarType dtype, double tolerance)
    {
        var cases = _golden.GetProperty("cases").EnumerateArray().ToArray();
        Assert.NotEmpty(cases);
        foreach (var golden in cases)
        {
            var key = golden.GetProperty("key").GetString()!;
            using var direction = Direction([key], dtype);
            var layer = Layer(key, dtype);
            using var penalty = new AlignmentPenalty(direction, [layer], new() { Projection = projection });

            var value = penalty.AccumulateGradients(1);

            Near(golden.GetProperty(name).GetDouble(), value, tolerance);
            Near(golden.GetProperty(name).GetDouble(), penalty.Evaluate(), tolerance);
            Assert.InRange(TestLayers.RelativeError(layer.A.grad!, _tensors.Read($"{key}.{name}.dA")), 0, tolerance);
            Assert.InRange(TestLayers.RelativeError(layer.B.grad!, _tensors.Read($"{key}.{name}.dB")), 0, tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void All_cases_in_one_penalty_give_the_published_sum(string name, AlignmentProjection projection, ScalarType dtype, double tolerance)
    {
        var keys = _golden.GetProperty("cases").EnumerateArray().Select(golden => golden.GetProperty("key").GetString()!).ToArray();
        using var direction = Direction(keys, dtype);
        var layers = keys.Select(key => Layer(key, dtype)).ToArray();
        using var penalty = new AlignmentPenalty(direction, layers, new() { Projection = projection });

        Near(_golden.GetProperty("sum_over_cases").GetProperty(name).GetDouble(), penalty.AccumulateGradients(1), tolerance);
        foreach (var layer in layers)
        {
            Assert.InRange(TestLayers.RelativeError(layer.A.grad!, _tensors.Read($"{layer.Name}.{name}.dA")), 0, tolerance);
            Assert.InRange(TestLayers.RelativeError(layer.B.grad!, _tensors.Read($"{layer.Name}.{name}.dB")), 0, tolerance);
        }
    }

    [Fact]
    public void The_subspace_has_the_published_number_of_vectors()
    {
        foreach (var golden in _golden.GetProperty("cases").EnumerateArray())
        {
            var key = golden.GetProperty("key").GetString()!;
            using var direction = Direction([key], ScalarType.Float64);
            using var spectrum = direction.FindLayer(key)!.Spectrum(SpectrumRank.All, CPU);
            Assert.Equal(golden.GetProperty("k90").GetInt32(), spectrum.CountFor(0.9));
        }
    }

    private static void Near(double expected, Tensor actual, double tolerance) =>
        Assert.InRange(Math.Abs(actual.to(ScalarType.Float64).item<double>() - expected) / expected, 0, tolerance);

    private AlignmentDirection Direction(IEnumerable<string> keys, ScalarType dtype) => AlignmentDirection.FromTensors(keys.ToDictionary(
        key => key, key => _tensors.Read($"{key}.aligned").to(dtype) - _tensors.Read($"{key}.base").to(dtype)));

    private LoraLayer Layer(string key, ScalarType dtype) => TestLayers.Create(key, _tensors.Read($"{key}.A", dtype), _tensors.Read($"{key}.B", dtype));
}
