using AsFT.Lab.Basin;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Tests.Models;
using CsCheck;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Basin;

public sealed class SafetyBasinTests
{
    [Theory]
    [InlineData(ScalarType.Float32, BasinStorage.Host)]
    [InlineData(ScalarType.Float32, BasinStorage.Streamed)]
    [InlineData(ScalarType.BFloat16, BasinStorage.Device)]
    [InlineData(ScalarType.Float64, BasinStorage.Host)]
    public void Minus_one_is_the_base_model_and_zero_the_aligned_one_bit_for_bit(ScalarType dtype, BasinStorage storage)
    {
        using var scope = NewDisposeScope();
        using var models = new BasinModels(dtype);
        var ids = TinyLlama.Ids(TinyLlama.RandomIds(9));
        var (baseLogits, alignedLogits) = (models.Base.LogitsOf(ids), models.Aligned.LogitsOf(ids));
        List<double> seen = [];
        SafetyBasin.Scan(models.Aligned, models.Checkpoint, models.Probe, BasinModels.Few with { Storage = storage, SurfacePoints = 3 }, new AtPoint(at =>
        {
            var logits = models.Aligned.LogitsOf(ids);
            if (at.Point is { Alpha: -1, Beta: 0 }) Assert.True(logits.equal(baseLogits).all().item<bool>());
            else if (at.Point is { Alpha: 0, Beta: 0 }) Assert.True(logits.equal(alignedLogits).all().item<bool>());
            else Assert.True(TinyLlama.MaxDifference(logits, alignedLogits) > 0);
            seen.Add(at.Point.Alpha);
        }), TestContext.Current.CancellationToken);
        Assert.Contains(-1, seen);
        Assert.Contains(0, seen);
        Assert.Equal(models.Before, models.Bits());
    }

    [Fact]
    public void A_point_lies_where_the_formula_says()
    {
        using var scope = NewDisposeScope();
        using var models = new BasinModels();
        var name = "model.layers.1.mlp.up_proj.weight";
        Tensor Of(CausalLanguageModel model) => model.Weights().Single(weight => weight.Key == name).Value;
        var (aligned, direction) = (Of(models.Aligned).detach().clone(), Of(models.Aligned).detach() - Of(models.Base).detach());
        Dictionary<double, Tensor> random = [];
        SafetyBasin.Scan(models.Aligned, models.Checkpoint, models.Probe, BasinModels.Few with { SurfacePoints = 2 }, new AtPoint(at =>
        {
            var moved = Of(models.Aligned).detach() - aligned;
            if (at.Direction is null) TinyLlama.AssertNear(direction * at.Point.Alpha, moved, 1e-6);
            else if (at.Point.Alpha == 0) random[at.Point.Beta] = moved.clone();
            else TinyLlama.AssertNear(direction * at.Point.Alpha + random[at.Point.Beta], moved, 1e-6);
        }), TestContext.Current.CancellationToken);
        Assert.Equal(2, random.Count);
        TinyLlama.AssertNear(random[1], -random[-1], 1e-6);
    }

    [Fact]
    public void Random_directions_are_orthogonal_to_D_and_as_long_in_every_tensor()
    {
        using var models = new BasinModels();
        foreach (var storage in new[] { BasinStorage.Host, BasinStorage.Streamed })
        {
            using var weights = MovedWeights.Open(models.Aligned, models.Checkpoint, new BasinOptions { Storage = storage }, CancellationToken.None);
            Assert.Equal(models.Aligned.Weights().Count(), weights.Tensors.Count);
            Gen.Select(Gen.Long, Gen.Int[0, 9]).Sample((seed, index) =>
            {
                using var scope = NewDisposeScope();
                using var direction = new RandomDirection(weights, seed, index, CancellationToken.None);
                for (var i = 0; i < weights.Tensors.Count; i++)
                {
                    var (d, r, norm) = (weights.Direction(i).to(ScalarType.Float64), direction.Of(i).to(ScalarType.Float64), weights.Tensors[i].Norm);
                    Assert.InRange((d * r).sum().item<double>() / (norm * norm), -1e-6, 1e-6);
                    Assert.InRange(r.norm().item<double>() / norm, 1 - 1e-6, 1 + 1e-6);
                }
            }, iter: 15, threads: 1);
        }
    }

    [Fact]
    public void Random_directions_follow_from_the_seed_alone()
    {
        using var scope = NewDisposeScope();
        using var models = new BasinModels();
        using var held = MovedWeights.Open(models.Aligned, models.Checkpoint, new BasinOptions(), CancellationToken.None);
        using var part = MovedWeights.Open(models.Aligned, models.Checkpoint, new BasinOptions { Storage = BasinStorage.Streamed, Layers = [1] }, CancellationToken.None);
        Tensor R(MovedWeights weights, long seed, int index)
        {
            using var direction = new RandomDirection(weights, seed, index, CancellationToken.None);
            return direction.Of(weights.Tensors.FindIndex(t => t.Name == "model.layers.1.self_attn.q_proj.weight")).clone();
        }
        Assert.True(R(held, 5, 1).equal(R(part, 5, 1)).all().item<bool>());
        Assert.False(R(held, 5, 1).equal(R(held, 5, 2)).any().item<bool>());
        Assert.False(R(held, 5, 1).equal(R(held, 6, 1)).any().item<bool>());
    }

    [Fact]
    public void Only_the_chosen_layers_and_modules_move()
    {
        using var models = new BasinModels();
        var options = BasinModels.Few with { Layers = [1], TargetModules = ["q_proj", "down_proj"] };
        var scan = SafetyBasin.Scan(models.Aligned, models.Checkpoint, models.Probe, options, new AtPoint(at =>
        {
            if (at.Point is { Alpha: 0, Beta: 0 }) return;
            var moved = models.Aligned.Weights().Zip(models.Bits().Zip(models.Before)).Where(x => !x.Second.First.SequenceEqual(x.Second.Second)).Select(x => x.First.Key);
            Assert.Equal(["model.layers.1.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight"], moved.Order());
        }), TestContext.Current.CancellationToken);
        Assert.False(scan.IsWhole);
        Assert.Equal(2, scan.Tensors.Count);
    }

    [Fact]
    public void Cancellation_and_failures_leave_the_aligned_bits()
    {
        using var models = new BasinModels();
        using var source = new CancellationTokenSource();
        var calls = 0;
        Assert.ThrowsAny<OperationCanceledException>(() => SafetyBasin.Scan(models.Aligned, models.Checkpoint, models.Probe, BasinModels.Few,
            new AtPoint(_ => { if (++calls == 3) source.Cancel(); }), source.Token));
        Assert.Equal(3, calls);
        Assert.Equal(models.Before, models.Bits());

        var points = 0;
        Assert.Throws<TimeoutException>(() => SafetyBasin.Scan(models.Aligned, models.Checkpoint,
            models.Probe with { Judge = new FailingJudge(() => ++points == 2) }, BasinModels.Few, null, TestContext.Current.CancellationToken));
        Assert.Equal(models.Before, models.Bits());
    }

    [Fact]
    public async Task The_judge_gets_what_an_evaluation_gives_it()
    {
        using var models = new BasinModels();
        using RecordingJudge basin = new(), evaluation = new();
        var tokenizer = new SpacedTokenizer();
        ChatExample[] prompts = [new("how", Context: "to fly"), new("why")];
        var probe = models.Probe with { Tokenizer = tokenizer, Prompts = prompts, Judge = basin };
        SafetyBasin.Scan(models.Aligned, models.Checkpoint, probe, BasinModels.Few, null, TestContext.Current.CancellationToken);
        await SafetyEvaluation.RunAsync(new TextGenerator(models.Aligned, tokenizer), new() { Harmful = prompts }, evaluation,
            new() { Template = probe.Template, Generation = probe.Generation }, TestContext.Current.CancellationToken);
        Assert.Equal(["how\n\nto fly", "why"], evaluation.Seen.Select(pair => pair.Prompt));
        Assert.All(basin.Seen, pair => Assert.Equal(pair.Answer.Trim(), pair.Answer));
        // One of the points is the model as it is.
        Assert.Contains(basin.Seen.Chunk(prompts.Length), seen => seen.SequenceEqual(evaluation.Seen));
    }

    [Fact]
    public void A_judge_gives_rates_and_the_document_survives_its_own_format()
    {
        using var models = new BasinModels();
        using var judge = new RefusalMatchJudge(new RefusalMatcher(["zzzz"]));
        var scan = SafetyBasin.Scan(models.Aligned, models.Checkpoint, models.Probe with { Judge = judge },
            BasinModels.Few with { RandomDirections = 2, SurfacePoints = 2 }, null, TestContext.Current.CancellationToken);
        Assert.All(scan.Alignment.Points, point => Assert.Equal(3, point.HarmfulScore!.Value.Total));
        Assert.Equal(100, scan.Alignment.Points[1].HarmfulScore!.Value.Percent);
        Assert.Equal([-1, 0, 1], scan.Alignment.Points.Select(p => p.Alpha));
        Assert.Equal(4, scan.Surface!.Points.Count);
        Assert.True(scan.IsWhole);

        var copy = BasinScan.FromJson(scan.ToJson());
        Assert.Equal(scan.ToJson(), copy.ToJson());
        Assert.Throws<InvalidDataException>(() => BasinScan.FromJson("{}"));

        var spread = scan.RandomSpread[2];
        double[] values = [.. scan.Random.Select(line => line.Points[2].RefusalLogMass)];
        Assert.Equal(values.Average(), spread.RefusalLogMass, 1e-12);
        Assert.Equal(Math.Abs(values[0] - values[1]) / Math.Sqrt(2), spread.RefusalLogMassDeviation!.Value, 1e-12);
        // One direction says nothing of a spread.
        Assert.All((scan with { Random = [scan.Random[0]] }).RandomSpread, single => Assert.Null(single.RefusalLogMassDeviation ?? single.HarmfulScoreDeviation));
    }

    [Fact]
    public void The_safe_stretch_is_read_between_the_points()
    {
        static BasinPoint At(double alpha, int harmful) => new(alpha, 0) { HarmfulScore = new(harmful, 100), RefusalLogMass = 0, RefusalPerToken = 0 };
        var line = new BasinLine(null, [At(-1, 50), At(-0.5, 0), At(0, 0), At(0.5, 0), At(1, 10)]);
        Assert.Equal((-0.6, 1), line.SafeStretch(10)!.Value);
        Assert.Null(new BasinLine(null, [At(-1, 50), At(0, 11)]).SafeStretch(10));
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var models = new BasinModels();
        string Fails<T>(BasinOptions options, Func<BasinProbe, BasinProbe>? change = null) where T : Exception =>
            Assert.ThrowsAny<T>(() => SafetyBasin.Scan(models.Aligned, models.Checkpoint, change?.Invoke(models.Probe) ?? models.Probe, options)).Message;
        Assert.Contains("Points", Fails<ArgumentException>(new() { Points = 1 }));
        Assert.Contains("To must be", Fails<ArgumentException>(new() { From = 1, To = 1 }));
        Assert.Contains("From", Fails<ArgumentException>(new() { From = double.NaN }));
        Assert.Contains("RandomDirections", Fails<ArgumentException>(new() { RandomDirections = 0, SurfacePoints = 3 }));
        Assert.Contains("layers 0 to 1", Fails<ArgumentException>(new() { Layers = [2] }));
        Assert.Contains("w_proj", Fails<ArgumentException>(new() { TargetModules = ["w_proj"] }));
        Assert.Contains("no weight in common", Fails<ArgumentException>(new() { TargetModules = ["lm_head"], Layers = [0] }));
        Assert.Contains("no harmful prompt", Fails<ArgumentException>(new(), probe => probe with { Prompts = [] }));
        Assert.Contains("blank", Fails<ArgumentException>(new(), probe => probe with { Refusals = [" "] }));
        Assert.Contains("positions", Fails<ArgumentException>(new(), probe => probe with { Prompts = [new(new string('a', 70))] }));
        Assert.Equal(models.Before, models.Bits());

        var same = Assert.Throws<InvalidOperationException>(() => SafetyBasin.Scan(models.Base, models.Checkpoint, models.Probe));
        Assert.Contains("agree", same.Message);
        using var wider = CausalLanguageModel.Create(TinyLlama.Config with { IntermediateSize = 56 }, TinyLlama.Placement(), 1);
        Assert.Contains("mlp.gate_proj", Assert.Throws<InvalidDataException>(() => SafetyBasin.Scan(wider, models.Checkpoint, models.Probe)).Message);
        using var turned = CausalLanguageModel.Create(TinyLlama.Config with { Spec = new() { Rotary = new() { Theta = 500 } } }, TinyLlama.Placement(), 1);
        Assert.Contains("rope_theta", Assert.Throws<InvalidDataException>(() => SafetyBasin.Scan(turned, models.Checkpoint, models.Probe)).Message);
    }

    private sealed class SpacedTokenizer : BasinModels.CharacterTokenizer
    {
        public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => base.Decode(ids, skipSpecialTokens) + " ";
    }

    private sealed class RecordingJudge : IHarmfulnessJudge
    {
        public List<PromptAnswer> Seen { get; } = [];

        public string Name => "recording";

        public IReadOnlyList<string> Categories => ["any"];

        public Task<IReadOnlyList<HarmVerdict>> JudgeAsync(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken = default)
        {
            Seen.AddRange(answers);
            return Task.FromResult<IReadOnlyList<HarmVerdict>>([.. answers.Select(_ => HarmVerdict.FromScores([0], 0.5))]);
        }

        public void Dispose()
        {
            // Nothing to free.
        }
    }

    private sealed class FailingJudge(Func<bool> fails) : IHarmfulnessJudge
    {
        public string Name => "failing";

        public IReadOnlyList<string> Categories { get; } = ["harm"];

        public Task<IReadOnlyList<HarmVerdict>> JudgeAsync(IReadOnlyList<PromptAnswer> answers, CancellationToken cancellationToken = default) =>
            fails() ? throw new TimeoutException() : Task.FromResult<IReadOnlyList<HarmVerdict>>([.. answers.Select(_ => HarmVerdict.FromScores([0], 0.5))]);

        public void Dispose()
        {
            // Nothing to free.
        }
    }
}
