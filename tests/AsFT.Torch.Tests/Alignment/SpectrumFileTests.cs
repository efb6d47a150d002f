using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

public sealed class SpectrumFileTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly string _folder = Directory.CreateTempSubdirectory("asft-spectrum-").FullName;

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    public void From_a_file_of_spectra_a_penalty_is_that_of_the_direction(ScalarType dtype, double tolerance)
    {
        using var direction = Directions();
        direction.Save(Path_("s"), new AlignmentDirectionFormat { Encoding = AlignmentDirectionEncoding.Spectrum, VectorDType = dtype, AlignedFingerprint = "1", BaseFingerprint = "2" });
        using var loaded = AlignmentDirection.Load(Path_("s"));
        Assert.Equal((AlignmentDirectionEncoding.Spectrum, "1", "2", 1.0), (loaded.Encoding, loaded.AlignedFingerprint, loaded.BaseFingerprint, Math.Round(loaded.KeptEnergy, 9)));
        Assert.Equal(direction.LayerNames, loaded.LayerNames);
        var layers = new[] { TestLayers.Random("wide", 12, 30, 2), TestLayers.Random("tall", 30, 12, 2), TestLayers.Random("tall2", 30, 12, 2) };
        foreach (var projection in new[] { AlignmentProjection.Reference, AlignmentProjection.Subspace, AlignmentProjection.Guard })
        {
            var options = new AlignmentPenaltyOptions { Projection = projection, SubspaceRank = 3 };
            using var of = new AlignmentPenalty(direction, layers, options);
            using var from = new AlignmentPenalty(loaded, layers, options);
            Assert.InRange(TestLayers.RelativeError(from.Evaluate(), of.Evaluate()), 0, tolerance);
            Assert.InRange(TestLayers.RelativeError(from.AnchoredShare(), of.AnchoredShare()), 0, tolerance);
        }
        foreach (var name in direction.LayerNames) Assert.Equal(direction.FrobeniusNorm(name), loaded.FrobeniusNorm(name));
        Assert.Equal(direction.LayerNames.Select(name => new AlignmentDirectionLayer(name, direction.FrobeniusNorm(name))), AlignmentDirection.ReadNorms(Path_("s")));
    }

    [Fact]
    public void A_file_keeps_the_vectors_that_were_asked_for_and_gives_fewer()
    {
        using var direction = Directions();
        direction.Save(Path_("s"), AlignmentDirectionEncoding.Spectrum, rank: 6);
        using var loaded = AlignmentDirection.Load(Path_("s"));
        Assert.InRange(loaded.KeptEnergy, 0.3, 0.95);
        var layer = TestLayers.Random("tall", 30, 12, 2);
        AlignmentPenalty Guard(AlignmentDirection from, string rank) => new(from, [layer], new() { Projection = AlignmentProjection.Guard, SpectrumRank = rank });

        using var fewer = Guard(loaded, "4");
        using var same = Guard(direction, "4");
        Assert.InRange(TestLayers.RelativeError(fewer.Evaluate(), same.Evaluate()), 0, 1e-2);
        using var auto = Guard(loaded, "auto");
        Assert.Contains("6 vectors", auto.SpectrumReport, StringComparison.Ordinal);
        foreach (var more in new[] { "7", "all", "0.999" })
            Assert.Contains($"SpectrumRank is {more}; the file keeps 6 of 12 vectors of 'tall'", Assert.Throws<InvalidOperationException>(() => Guard(loaded, more)).Message, StringComparison.Ordinal);
        // Made smaller, a file is one of fewer vectors; larger, it cannot be made.
        loaded.Save(Path_("smaller"), AlignmentDirectionEncoding.Spectrum, rank: 2);
        using var smaller = AlignmentDirection.Load(Path_("smaller"));
        Assert.InRange(smaller.KeptEnergy, 0.05, loaded.KeptEnergy - 0.05);
    }

    [Fact]
    public void What_needs_D_itself_says_so()
    {
        using var direction = Directions();
        direction.Save(Path_("s"), AlignmentDirectionEncoding.Spectrum);
        using var loaded = AlignmentDirection.Load(Path_("s"));
        var layer = TestLayers.Random("tall", 30, 12, 2);
        foreach (var need in new Action[]
        {
            () => loaded.Find("tall"),
            () => loaded.Save(Path_("full")),
            () => _ = new AlignmentPenalty(loaded, [layer], new() { Projection = AlignmentProjection.Flattened }),
        })
        {
            var error = Assert.Throws<InvalidOperationException>(need);
            Assert.Contains(Path_("s"), error.Message, StringComparison.Ordinal);
            Assert.Contains("need D itself", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Layers_in_which_the_models_agree_or_are_damaged_are_seen()
    {
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["same"] = zeros(6, 4), ["tall"] = randn(30, 12) });
        direction.Save(Path_("s"), AlignmentDirectionEncoding.Spectrum, rank: 3);
        using var loaded = AlignmentDirection.Load(Path_("s"));
        Assert.Equal(0, loaded.FrobeniusNorm("same"));
        Assert.Contains("direction of 0", Assert.Throws<InvalidOperationException>(() => new AlignmentPenalty(loaded, [TestLayers.Random("same", 6, 4, 2)])).Message, StringComparison.Ordinal);
        using var damaged = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = full([6, 4], float.NaN) });
        Assert.Contains("'l'", Assert.Throws<InvalidDataException>(() => damaged.Save(Path_("x"), AlignmentDirectionEncoding.Spectrum)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path_("x")));
    }

    public static TheoryData<string> Damages { get; } = [.. All().Keys];

    [Theory]
    [MemberData(nameof(Damages))]
    public void A_damaged_file_is_refused_with_file_and_tensor(string damage)
    {
        var (tensor, change) = All()[damage];
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = randn(6, 5, generator: new Generator(2)) });
        direction.Save(Path_("s"), new AlignmentDirectionFormat { Encoding = AlignmentDirectionEncoding.Spectrum, Rank = 3, VectorDType = ScalarType.Float32 });
        Dictionary<string, Tensor> tensors;
        IReadOnlyDictionary<string, string> metadata;
        using (var file = SafetensorsFile.Open(Path_("s")))
            (tensors, metadata) = (file.Entries.Keys.ToDictionary(name => name, name => file.Read(name)), file.Metadata);
        change(tensors);
        SafetensorsWriter.Write(Path_("bad"), tensors, metadata);
        var error = Assert.Throws<InvalidDataException>(() =>
        {
            using var loaded = AlignmentDirection.Load(Path_("bad"));
            using var penalty = new AlignmentPenalty(loaded, [TestLayers.Random("l", 6, 5, 2)]);
        });
        Assert.Contains(Path_("bad"), error.Message, StringComparison.Ordinal);
        Assert.Contains($"'l.spectrum_{tensor}'", error.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, (string Tensor, Action<Dictionary<string, Tensor>> Change)> All()
    {
        const string Vectors = "l.spectrum_vectors", Values = "l.spectrum_values", Summary = "l.spectrum_summary";
        Action<Dictionary<string, Tensor>> Set(string name, long at, double value) => tensors => tensors[name].view(-1)[at] = value;
        return new()
        {
            ["no values"] = ("values", tensors => tensors.Remove(Values)),
            ["no summary"] = ("summary", tensors => tensors.Remove(Summary)),
            ["no vectors"] = ("values", tensors => tensors.Remove(Vectors)),
            ["values of another format"] = ("values", tensors => tensors[Values] = tensors[Values].to(ScalarType.Float32)),
            ["too few values"] = ("values", tensors => tensors[Values] = tensors[Values].narrow(0, 0, 2)),
            ["too long a summary"] = ("summary", tensors => tensors[Summary] = zeros(9, ScalarType.Float64)),
            ["integer vectors"] = ("vectors", tensors => tensors[Vectors] = zeros(6, 3, ScalarType.Int32)),
            ["no matrix"] = ("vectors", tensors => tensors[Vectors] = zeros(18)),
            ["more vectors than outputs"] = ("vectors", tensors => tensors[Vectors] = zeros(2, 3)),
            ["a vector that is not finite"] = ("vectors", Set(Vectors, 4, double.NaN)),
            ["an infinite vector"] = ("vectors", Set(Vectors, 4, double.PositiveInfinity)),
            ["vectors of another length"] = ("vectors", tensors => tensors[Vectors].mul_(2)),
            ["vectors that are one"] = ("vectors", tensors => tensors[Vectors].copy_(tensors[Vectors].narrow(1, 0, 1))),
            ["rising values"] = ("values", tensors => tensors[Values] = tensors[Values].flip(0)),
            ["a negative value"] = ("values", Set(Values, 2, -1)),
            ["a value that is not finite"] = ("values", Set(Values, 1, double.NaN)),
            ["a value above the norm"] = ("values", Set(Values, 0, 1e6)),
            ["a negative norm"] = ("summary", Set(Summary, 1, -1)),
            ["a norm that is too small"] = ("values", Set(Summary, 1, 1e-3)),
            ["a next value above the last"] = ("summary", Set(Summary, 2, 1e3)),
            ["a next value that is none"] = ("summary", Set(Summary, 2, double.NaN)),
            ["a trace of 0"] = ("summary", Set(Summary, 4, 0)),
            ["a trace above 1"] = ("summary", Set(Summary, 5, 2)),
            ["a trace that is not finite"] = ("summary", Set(Summary, 6, double.NaN)),
            ["half an input"] = ("summary", Set(Summary, 0, 4.5)),
            ["fewer inputs than vectors"] = ("summary", Set(Summary, 0, 2)),
            ["more inputs than there can be"] = ("summary", Set(Summary, 0, 1e30)),
            ["inputs that are none"] = ("summary", Set(Summary, 0, double.NaN)),
        };
    }

    private static AlignmentDirection Directions() => AlignmentDirection.FromTensors(new Dictionary<string, Tensor>
    {
        ["wide"] = randn(12, 30, ScalarType.Float64, generator: new Generator(1)),
        ["tall"] = randn(30, 12, ScalarType.Float64, generator: new Generator(2)),
        ["tall2"] = randn(30, 12, ScalarType.Float64, generator: new Generator(3)),
    });

    private string Path_(string name) => Path.Combine(_folder, $"{name}.safetensors");
}
