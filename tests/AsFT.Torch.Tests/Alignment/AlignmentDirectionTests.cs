using AsFT.Torch.Alignment;
using AsFT.Torch.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Alignment;

public sealed class AlignmentDirectionTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly string _folder = Directory.CreateTempSubdirectory("asft-direction-").FullName;

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Streamed_from_disk_it_is_the_difference_in_memory_bit_for_bit()
    {
        using var aligned = ModelCheckpoint.Open(TestData.Model("models/stories260K-aligned"));
        using var baseline = ModelCheckpoint.Open(TestData.Model("models/stories260K"));
        var names = aligned.Entries.Keys.Where(name => name.EndsWith("_proj.weight", StringComparison.Ordinal)).Select(name => name[..^".weight".Length]).ToArray();

        using var direction = AlignmentDirection.Build(aligned, baseline, names);

        Assert.NotEmpty(names);
        Assert.Equal(names, direction.LayerNames);
        using var memory = AlignmentDirection.FromTensors(names.ToDictionary(name => name, name => aligned.Read($"{name}.weight") - baseline.Read($"{name}.weight")));
        foreach (var name in names)
        {
            Assert.True(direction.Find(name)!.equal(memory.Find(name)!).all().item<bool>());
            Assert.True(direction.FrobeniusNorm(name) > 0);
            Assert.Equal(direction.FrobeniusNorm(name), memory.FrobeniusNorm(name));
        }
    }

    [Fact]
    public void Half_formats_are_widened_before_they_are_subtracted()
    {
        var (left, right) = (randn(8, 8).to(ScalarType.BFloat16), randn(8, 8).to(ScalarType.BFloat16));
        using var direction = AlignmentDirection.Build(Checkpoint("a", left), Checkpoint("b", right), ["l"]);
        Assert.Equal(ScalarType.Float32, direction.Find("l")!.dtype);
        Assert.True(direction.Find("l")!.equal(left.to(ScalarType.Float32) - right.to(ScalarType.Float32)).all().item<bool>());
        using var wide = AlignmentDirection.Build(Checkpoint("c", randn(3, 3, ScalarType.Float64)), Checkpoint("d", zeros(3, 3, ScalarType.Float64)), ["l"]);
        Assert.Equal(ScalarType.Float64, wide.Find("l")!.dtype);
    }

    [Fact]
    public void A_direction_of_zero_is_kept_and_seen()
    {
        var same = randn(4, 5);
        using var direction = AlignmentDirection.Build(Checkpoint("a", same), Checkpoint("b", same), ["l"]);
        Assert.Equal(0, direction.FrobeniusNorm("l"));
        Assert.NotNull(direction.Find("l"));
        Assert.Null(direction.Find("other"));
        Assert.Contains("'other'", Assert.Throws<ArgumentException>(() => direction.FrobeniusNorm("other")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_match_is_named()
    {
        using var wide = Checkpoint("wide", zeros(4, 6));
        using var narrow = Checkpoint("narrow", zeros(4, 5));
        using var vector = Checkpoint("vector", zeros(4));
        using var integer = Checkpoint("integer", zeros(4, 6, ScalarType.Int8));
        void Refused(ModelCheckpoint aligned, ModelCheckpoint baseline, string layer, params string[] parts)
        {
            var error = Assert.Throws<InvalidDataException>(() => AlignmentDirection.Build(aligned, baseline, [layer]));
            foreach (var part in parts) Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
        Refused(wide, narrow, "l", "'l'", "(4, 6)", "(4, 5)", wide.Folder, narrow.Folder);
        Refused(wide, wide, "missing", "aligned model", "'missing.weight'");
        Refused(vector, vector, "l", "'l'", "(4)", "matrix");
        Refused(wide, integer, "l", "'l'", "I8", integer.Folder);
        ModelCheckpoint.Save(Path.Combine(_folder, "more"), [new("l.weight", zeros(4, 6)), new("m.weight", zeros(2, 2))]);
        using var more = ModelCheckpoint.Open(Path.Combine(_folder, "more"));
        Refused(more, wide, "m", "base model", "'m.weight'", wide.Folder);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Saved_and_loaded_it_has_the_same_bits_and_sources(ScalarType dtype)
    {
        using var direction = Random(dtype);
        (direction.AlignedFingerprint, direction.BaseFingerprint) = ("sha256:1", "sha256:2");
        direction.Save(File("full"));
        using var loaded = AlignmentDirection.Load(File("full"));
        Assert.Equal(direction.LayerNames.Order(), loaded.LayerNames.Order());
        foreach (var name in direction.LayerNames)
        {
            Assert.Equal(dtype, loaded.Find(name)!.dtype);
            Assert.True(loaded.Find(name)!.equal(direction.Find(name)!).all().item<bool>());
        }
        Assert.Equal(("sha256:1", "sha256:2", AlignmentDirectionEncoding.Full, 1.0), (loaded.AlignedFingerprint, loaded.BaseFingerprint, loaded.Encoding, loaded.KeptEnergy));
    }

    [Fact]
    public void Bfloat16_keeps_each_number_within_its_rounding()
    {
        using var direction = Random(ScalarType.Float32);
        direction.Save(File("bf16"), AlignmentDirectionEncoding.BFloat16);
        using var loaded = AlignmentDirection.Load(File("bf16"));
        Assert.Equal(AlignmentDirectionEncoding.BFloat16, loaded.Encoding);
        foreach (var name in direction.LayerNames)
        {
            var error = ((loaded.Find(name)! - direction.Find(name)!).abs() / direction.Find(name)!.abs().clamp_min(1e-30)).max().item<float>();
            Assert.InRange(error, 0, 1.0 / 256);
        }
        Assert.True(new FileInfo(File("bf16")).Length < 0.7 * Size(direction));
    }

    [Fact]
    public void Factors_saved_again_with_a_larger_rank_stay_as_they_are()
    {
        using var direction = Random(ScalarType.Float64);
        direction.Save(File("rank3"), AlignmentDirectionEncoding.Factors, rank: 3);
        using var loaded = AlignmentDirection.Load(File("rank3"));
        loaded.Save(File("rank5"), AlignmentDirectionEncoding.Factors, rank: 5);
        using var again = AlignmentDirection.Load(File("rank5"));
        foreach (var name in direction.LayerNames) Assert.InRange(TestLayers.RelativeError(again.Find(name)!, loaded.Find(name)!), 0, 1e-9);
        Assert.Equal(loaded.KeptEnergy, again.KeptEnergy, 1e-9);
    }

    [Fact]
    public void Factors_are_the_best_approximation_of_their_rank_and_penalise_alike()
    {
        using var direction = Random(ScalarType.Float64);
        direction.Save(File("rank3"), AlignmentDirectionEncoding.Factors, rank: 3);
        using var loaded = AlignmentDirection.Load(File("rank3"));
        double kept = 0, all = 0;
        foreach (var name in direction.LayerNames)
        {
            var (u, s, v) = linalg.svd(direction.Find(name)!, fullMatrices: false);
            var best = (u.narrow(1, 0, 3) * s.narrow(0, 0, 3)).mm(v.narrow(0, 0, 3));
            Assert.InRange(TestLayers.RelativeError(loaded.Find(name)!, best), 0, 1e-9);
            kept += s.narrow(0, 0, 3).square().sum().item<double>();
            all += s.square().sum().item<double>();

            // The thin left factor alone serves the penalty; the same from the product.
            var layer = TestLayers.Random(name, direction.Find(name)!.shape[0], direction.Find(name)!.shape[1], 2);
            using var dense = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { [name] = best });
            foreach (var projection in Enum.GetValues<AlignmentProjection>())
            {
                var options = new AlignmentPenaltyOptions { Projection = projection };
                using var thin = new AlignmentPenalty(loaded, [layer], options);
                using var thick = new AlignmentPenalty(dense, [layer], options);
                Assert.Equal(thick.Evaluate().item<double>(), thin.Evaluate().item<double>(), 1e-7);
                Assert.Equal(thick.AnchoredShare().item<double>(), thin.AnchoredShare().item<double>(), 1e-7);
            }
        }
        Assert.Equal(AlignmentDirectionEncoding.Factors, loaded.Encoding);
        Assert.Equal(kept / all, loaded.KeptEnergy, 1e-9);
    }

    [Theory]
    [InlineData(AlignmentDirectionEncoding.Full, null)]
    [InlineData(AlignmentDirectionEncoding.BFloat16, null)]
    [InlineData(AlignmentDirectionEncoding.Factors, 5)]
    public void Built_into_a_file_it_has_the_bytes_of_one_built_and_saved(AlignmentDirectionEncoding encoding, int? rank)
    {
        // Several blocks and a rest that fills no vector; formats that go by libtorch; D = 0; a layer too small for its rank.
        ScalarType[] formats = [ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16, ScalarType.BFloat16];
        long[][] shapes = [[301, 1003], [20, 30], [30, 20], [9, 9], [4, 7], [11, 6]];
        KeyValuePair<string, Tensor>[] Weights(bool isAligned) =>
        [
            .. shapes.Select((shape, i) => KeyValuePair.Create($"l{i}.weight", (i == 5 ? ones(shape) : randn(shape)).to(formats[isAligned ? i : i == 1 ? 0 : i]))),
        ];
        ModelCheckpoint.Save(Path.Combine(_folder, "a"), Weights(true), maxShardBytes: 10_000);
        ModelCheckpoint.Save(Path.Combine(_folder, "b"), Weights(false));
        using var aligned = ModelCheckpoint.Open(Path.Combine(_folder, "a"));
        using var baseline = ModelCheckpoint.Open(Path.Combine(_folder, "b"));
        string[] names = ["l3", "l0", "l1", "l2", "l4", "l5"];
        using var direction = AlignmentDirection.Build(aligned, baseline, names);
        (direction.AlignedFingerprint, direction.BaseFingerprint) = ("sha256:1", "sha256:2");
        direction.Save(File("saved"), encoding, rank);
        var steps = new List<AlignmentDirectionProgress>();

        var layers = AlignmentDirection.BuildToFile(aligned, baseline, names, File("streamed"),
            new() { Encoding = encoding, Rank = rank, AlignedFingerprint = "sha256:1", BaseFingerprint = "sha256:2" }, new Recorder(steps));

        Assert.Equal(System.IO.File.ReadAllBytes(File("saved")), System.IO.File.ReadAllBytes(File("streamed")));
        Assert.Equal(names.Select(name => new AlignmentDirectionLayer(name, direction.FrobeniusNorm(name))), layers);
        Assert.Equal(0, layers[5].Norm);
        Assert.Equal(names.Select((name, i) => new AlignmentDirectionProgress(i + 1, names.Length, name)), steps);
        using var loaded = AlignmentDirection.Load(File("streamed"));
        Assert.Equal(encoding, loaded.Encoding);
        // Read without libtorch, the norms are those of what the file holds.
        Assert.Equal(names.Order(), AlignmentDirection.ReadNorms(File("streamed")).Select(layer => layer.Name).Order());
        Assert.All(AlignmentDirection.ReadNorms(File("streamed")), layer => Assert.Equal(loaded.FrobeniusNorm(layer.Name), layer.Norm, 1e-9 * (1 + layer.Norm)));
    }

    [Fact]
    public void A_file_that_was_not_finished_is_not_there()
    {
        using var aligned = Checkpoint("a", ones(2, 2));
        using var baseline = Checkpoint("b", zeros(2, 2));
        using var narrow = Checkpoint("c", zeros(2, 1));
        Assert.Throws<OperationCanceledException>(() => AlignmentDirection.BuildToFile(aligned, baseline, ["l"], File("x"), cancellationToken: new(canceled: true)));
        Assert.Throws<ArgumentException>(() => AlignmentDirection.BuildToFile(aligned, baseline, ["l"], File("x"), new() { Rank = 4 }));
        Assert.Throws<InvalidDataException>(() => AlignmentDirection.BuildToFile(aligned, narrow, ["l"], File("x")));
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder), file => file.StartsWith(File("x"), StringComparison.Ordinal));
    }

    [Fact]
    public void An_encoding_and_its_rank_go_together()
    {
        using var direction = Random(ScalarType.Float32);
        Assert.Throws<ArgumentException>(() => direction.Save(File("x"), AlignmentDirectionEncoding.Factors));
        Assert.Throws<ArgumentException>(() => direction.Save(File("x"), AlignmentDirectionEncoding.Factors, 0));
        Assert.Throws<ArgumentException>(() => direction.Save(File("x"), AlignmentDirectionEncoding.Full, 4));
        Assert.False(System.IO.File.Exists(File("x")));
    }

    [Fact]
    public void Other_files_are_refused_by_name()
    {
        void Refused(string part, IReadOnlyDictionary<string, string>? metadata, params (string Name, Tensor Value)[] tensors)
        {
            SafetensorsWriter.Write(File("bad"), tensors.Select(tensor => KeyValuePair.Create(tensor.Name, tensor.Value)), metadata);
            var error = Assert.Throws<InvalidDataException>(() => AlignmentDirection.Load(File("bad")));
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
            Assert.Contains(File("bad"), error.Message, StringComparison.Ordinal);
        }
        var good = new Dictionary<string, string> { ["format"] = "asft-alignment-direction", ["encoding"] = "Full", ["kept_energy"] = "1" };
        Refused("no alignment direction", null, ("l.weight", zeros(2, 2)));
        Refused("encoding 'Odd'", new Dictionary<string, string>(good) { ["encoding"] = "Odd" });
        Refused("kept_energy = 'NaN'", new Dictionary<string, string>(good) { ["kept_energy"] = "NaN" });
        Refused("'l.weight'", good, ("l.weight", zeros(2, 2)));
        Refused("(2)", good, ("l.direction", zeros(2)));
        Refused("'l.direction_right'", good, ("l.direction_right", zeros(2, 2)));
        Refused("'l.direction_right'", good, ("l.direction_left", zeros(2, 2)));
        Refused("same columns", good, ("l.direction_left", zeros(2, 2)), ("l.direction_right", zeros(2, 3)));
    }

    [Fact]
    public void A_disposed_direction_says_so()
    {
        var direction = Random(ScalarType.Float32);
        direction.Dispose();
        direction.Dispose();
        Assert.Throws<ObjectDisposedException>(() => direction.Find("a"));
        Assert.Throws<ObjectDisposedException>(() => direction.Save(File("x")));
    }

    [Fact]
    public void Matrices_in_memory_are_copied_and_checked()
    {
        var matrix = ones(2, 3);
        using var direction = AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = matrix });
        matrix.zero_();
        Assert.Equal(1, direction.Find("l")!.min().item<float>());
        Assert.Contains("'l'", Assert.Throws<ArgumentException>(() => AlignmentDirection.FromTensors(new Dictionary<string, Tensor> { ["l"] = zeros(3) })).Message, StringComparison.Ordinal);
    }

    private static AlignmentDirection Random(ScalarType dtype) => AlignmentDirection.FromTensors(new Dictionary<string, Tensor>
    {
        ["wide"] = randn(6, 20, dtype, generator: new Generator(1)),
        ["tall"] = randn(20, 6, dtype, generator: new Generator(2)),
        ["square"] = randn(64, 64, dtype, generator: new Generator(3)),
    });

    private static long Size(AlignmentDirection direction) => direction.LayerNames.Sum(name => direction.Find(name)!.numel() * 4);

    private string File(string name) => Path.Combine(_folder, $"{name}.safetensors");

    private ModelCheckpoint Checkpoint(string name, Tensor weight)
    {
        ModelCheckpoint.Save(Path.Combine(_folder, name), [new("l.weight", weight)]);
        return ModelCheckpoint.Open(Path.Combine(_folder, name));
    }

    private sealed class Recorder(List<AlignmentDirectionProgress> steps) : IProgress<AlignmentDirectionProgress>
    {
        public void Report(AlignmentDirectionProgress value) => steps.Add(value);
    }
}
