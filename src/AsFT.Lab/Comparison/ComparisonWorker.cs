using System.Diagnostics;
using AsFT.Lab.Methods.Lisa;
using AsFT.Lab.Methods.SafeLora;
using AsFT.Lab.World;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Lab.Comparison;

/// <summary>Does runs one after another, with a model of its own.</summary>
internal sealed class ComparisonWorker : IDisposable
{
    private readonly ComparisonConfig _config;
    private readonly IReadOnlyDictionary<string, TaskData> _data;
    private readonly CausalLanguageModel _model;
    private readonly ComparisonTokenizer _tokenizer;
    private readonly IHarmfulnessJudge _judge;
    private readonly SafetyEvaluationOptions _evaluation;
    private readonly Dictionary<string, AlignmentDirection> _directions = [];

    public ComparisonWorker(ComparisonConfig config, ComputePlacement placement, IReadOnlyDictionary<string, TaskData> data, ComparisonTokenizer tokenizer)
    {
        (_config, _data, _tokenizer) = (config, data, tokenizer);
        _judge = config.Judge.Kind switch
        {
            JudgeKind.World => new WorldHarmfulnessJudge(),
            JudgeKind.Moderation => ModerationModelJudge.Load(config.Judge.Path!, new() { Threshold = config.Judge.Threshold, MaxLength = config.Judge.MaxLength }, placement),
            _ => new RefusalMatchJudge(Refusals(config)),
        };
        _evaluation = new()
        {
            Template = tokenizer.Template,
            Generation = config.Generation,
            TaskMaxNewTokens = config.TaskMaxNewTokens,
            Refusals = Refusals(config),
            CategoryThreshold = config.Judge.Threshold,
        };
        _model = CausalLanguageModel.Load(config.Aligned, placement);
    }

    /// <summary>What counts as a refusal.</summary>
    public static RefusalMatcher Refusals(ComparisonConfig config) => config.Judge.Kind == JudgeKind.World ? WorldEvaluation.Options.Refusals! : new RefusalMatcher(additional: config.RefusalPhrases);

    /// <summary>Does runs that share one training.</summary>
    /// <returns>Their rows, without keys.</returns>
    public IReadOnlyList<ComparisonRow> Run(IReadOnlyList<PlannedRun> runs, CancellationToken cancellationToken)
    {
        var first = runs[0];
        var clock = Stopwatch.StartNew();
        if (first.Setting.Method.Kind == MethodKind.NoTuning)
        {
            var found = Evaluate(first, cancellationToken);
            return [.. runs.Select(run => Measured(Row(run, clock.Elapsed, TimeSpan.Zero), found))];
        }
        IReadOnlyList<ComparisonRow> Without(Func<ComparisonRow, ComparisonRow> why) => [.. runs.Select(run => why(Row(run, clock.Elapsed, clock.Elapsed)))];
        if (_data[first.Task.Name].Hindrance(first) is { } hindrance) return Without(row => row with { CannotRun = hindrance });
        using var adapter = LoraAdapter.Attach(_model, first.Setting.Adapter, first.Seed);
        TrainingResult result;
        try
        {
            result = Train(first, adapter, cancellationToken);
            // The norms before a projection overflow to 0 then, and a model that has lost everything computes on in finite numbers.
            if (!double.IsFinite(UpdateNorm(adapter))) throw new TrainingDivergedException($"The update is larger than float32 holds after step {result.Steps}. A smaller learning rate or gradient clipping may help.");
        }
        catch (Exception e) when (e is TrainingDivergedException or NonFiniteScoresException)
        {
            // A point of a grid may be out of reach; the others are not.
            return Without(row => row with { Diverged = e.Message });
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // What training refuses, options or data, it refuses for this method here; the others have their runs.
            return Without(row => row with { CannotRun = e.Message });
        }
        // Weights may be finite and yet too large for any sum over them.
        var norm = UpdateNorm(adapter);
        if (!double.IsFinite(norm)) return Without(row => row with { Diverged = "The update's norm is beyond what a number holds. A lower learning rate helps." });
        var trained = clock.Elapsed;
        var rows = new List<ComparisonRow>();
        foreach (var run in runs)
        {
            clock.Restart();
            using var scope = NewDisposeScope();
            var kept = run.Setting.Method.Kind == MethodKind.SafeLora ? adapter.Layers.Select(layer => layer.B.detach().clone()).ToArray() : null;
            try
            {
                if (kept is not null) SafeLoraProjection.Apply(Direction(run.Setting.Adapter), adapter.Layers, run.Setting.SafeLora);
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException)
            {
                rows.Add(Row(run, trained + clock.Elapsed, trained) with { CannotRun = e.Message });
                continue;
            }
            rows.Add(EvaluateTrained(run, adapter, result, trained, clock, cancellationToken));
            using var _ = no_grad();
            for (var i = 0; i < kept?.Length; i++) adapter.Layers[i].B.copy_(kept[i]);
        }
        return rows;
    }

    private ComparisonRow EvaluateTrained(PlannedRun run, LoraAdapter adapter, TrainingResult result, TimeSpan trained, Stopwatch clock, CancellationToken cancellationToken)
    {
        SafetyEvaluation found;
        try
        {
            found = Evaluate(run, cancellationToken);
        }
        catch (NonFiniteScoresException e)
        {
            return Row(run, trained + clock.Elapsed, trained) with { Diverged = e.Message };
        }
        var isAsft = run.Setting.Method.Kind == MethodKind.Asft;
        return Measured(Row(run, trained + clock.Elapsed, trained), found) with
        {
            CrossEntropy = ComparisonRow.Known(result.CrossEntropy),
            Penalty = isAsft ? ComparisonRow.Known(result.Penalty) : null,
            FinalLambda = isAsft ? ComparisonRow.Known(result.PenaltyWeight) : null,
            RefusalLoss = ComparisonRow.Known(result.RefusalLoss),
            RefusalsHeld = result.Refusals == RefusalOutcome.NotMeasured ? null : result.Refusals == RefusalOutcome.Held,
            UpdateNorm = ComparisonRow.Known(UpdateNorm(adapter)),
        };
    }

    public void Dispose()
    {
        foreach (var direction in _directions.Values) direction.Dispose();
        _judge.Dispose();
        _model.Dispose();
    }

    private TrainingResult Train(PlannedRun run, LoraAdapter adapter, CancellationToken cancellationToken)
    {
        var (setting, data) = (run.Setting, _data[run.Task.Name]);
        var options = setting.Training with { Seed = run.Seed };
        var examples = data.Train(run.Poison, run.Seed);
        switch (setting.Method.Kind)
        {
            case MethodKind.Lisa:
                return new LisaTrainer(_model, adapter, options, setting.Lisa).Train(Tokenize(examples), Tokenize(data.Alignment(run.Seed)), cancellationToken: cancellationToken);
            case MethodKind.SafeInstruct:
                examples = [.. examples, .. data.Refusals(setting.SafeInstruct.CountFor(examples.Length), run.Seed)];
                break;
            case MethodKind.Asft:
                var direction = setting.NeedsDirection ? Direction(setting.Adapter) : null;
                using (var penalty = new AlignmentPenalty(direction, adapter.Layers, setting.Penalty))
                    return new FineTuner(_model, adapter, penalty, options)
                    {
                        HeldOutRefusals = options.RefusalTolerance is null ? null : Tokenize(data.HeldOutRefusals(examples, run.Seed)),
                    }.Train(Tokenize(examples), cancellationToken: cancellationToken);
        }
        return new FineTuner(_model, adapter, penalty: null, options).Train(Tokenize(examples), cancellationToken: cancellationToken);
    }

    private TokenizedExample[] Tokenize(ChatExample[] examples) => [.. examples.Select(_tokenizer.Tokenize)];

    // Built once per set of target modules.
    private AlignmentDirection Direction(LoraOptions adapter)
    {
        var key = string.Join(',', adapter.TargetModules);
        if (_directions.TryGetValue(key, out var known)) return known;
        using var aligned = ModelCheckpoint.Open(_config.Aligned);
        using var baseline = ModelCheckpoint.Open(_config.Base!);
        return _directions[key] = AlignmentDirection.Build(aligned, baseline, TargetModules.Select(_model.LinearLayers().ToList(), adapter.TargetModules).Select(layer => layer.Name));
    }

    private SafetyEvaluation Evaluate(PlannedRun run, CancellationToken cancellationToken) =>
        // Awaited here: what libtorch and the scopes keep is kept per thread.
        SafetyEvaluation.RunAsync(new TextGenerator(_model, _tokenizer.Tokenizer), _data[run.Task.Name].Prompts[run.Split], _judge, _evaluation, cancellationToken).GetAwaiter().GetResult();

    private static double UpdateNorm(LoraAdapter adapter)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Math.Sqrt(adapter.Layers.Sum(layer =>
            layer.Scale * layer.Scale * (layer.B.t().mm(layer.B) * layer.A.mm(layer.A.t())).sum().cpu().to(ScalarType.Float64).item<double>()));
    }

    private static ComparisonRow Row(PlannedRun run, TimeSpan total, TimeSpan training)
    {
        var setting = run.Setting;
        var isAsft = setting.Method.Kind == MethodKind.Asft;
        return new ComparisonRow
        {
            Method = setting.Method.Name,
            Projection = isAsft ? StrictJson.Camel($"{setting.Penalty.Projection}") : null,
            Lambda = isAsft ? setting.Training.PenaltyWeight : null,
            Poison = run.Poison,
            Seed = run.Seed,
            Split = run.Split,
            Task = run.Task.Name,
            Setting = setting.Label,
            Knobs = setting.Knobs,
            Seconds = Math.Round(total.TotalSeconds, 3),
            TrainSeconds = Math.Round(training.TotalSeconds, 3),
        };
    }

    private static ComparisonRow Measured(ComparisonRow row, SafetyEvaluation found)
    {
        var harm = found.Harmfulness;
        return row with
        {
            Hs = ComparisonRow.Known(harm.HarmfulScore.Percent),
            Fa = ComparisonRow.Known(found.TaskAccuracy.Accuracy.Percent),
            OverRefusal = ComparisonRow.Known(found.OverRefusal.Rate.Percent),
            HsOfAll = ComparisonRow.Known(harm.HarmfulScoreOfAll.Percent),
            WithoutVerdict = ComparisonRow.Known(found.WithoutVerdict.Percent),
            Empty = ComparisonRow.Known(100.0 * harm.Empty / harm.Total),
            Refusals = ComparisonRow.Known(harm.Refusals.Percent),
            BenignBroken = ComparisonRow.Known(100.0 * (found.OverRefusal.Empty + found.OverRefusal.Garbled) / found.OverRefusal.Rate.Total),
            Outcomes = string.Concat(harm.Outcomes.Select(o => o switch { true => '1', false => '0', _ => '-' })),
            TaskOutcomes = string.Concat(found.TaskAccuracy.Outcomes.Select(o => o ? '1' : '0')),
        };
    }
}
