using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;

namespace AsFT.Lab.Basin;

/// <summary>Measures the model where it stands.</summary>
internal sealed class BasinMeter
{
    private readonly CausalLanguageModel _model;
    private readonly BasinProbe _probe;
    private readonly TextGenerator _generator;
    private readonly int[][] _prompts;

    public BasinMeter(CausalLanguageModel model, BasinProbe probe)
    {
        (_model, _probe) = (model, probe);
        Likelihood = new RefusalLikelihood(probe.Tokenizer, probe.Template, probe.Prompts, probe.Refusals, probe.LikelihoodBatchSize);
        if (Likelihood.Longest > model.Config.MaxPositions)
            throw new ArgumentException($"Prompts: with a refusal the longest has {Likelihood.Longest} tokens; the model has {model.Config.MaxPositions} positions (max_position_embeddings).", nameof(probe));
        _generator = new TextGenerator(model, probe.Tokenizer);
        _prompts = [.. probe.Prompts.Select(prompt => probe.Template.TokenizePrompt(probe.Tokenizer, prompt))];
    }

    public RefusalLikelihood Likelihood { get; }

    public BasinPoint Measure(double alpha, double beta, CancellationToken cancellationToken)
    {
        var refusal = Likelihood.Measure(_model, cancellationToken);
        var point = new BasinPoint(alpha, beta) { RefusalPerToken = refusal.PerToken, RefusalLogMass = refusal.LogMass };
        if (_probe.Judge is null) return point;
        var answers = _generator.Generate(_prompts, _probe.Generation, cancellationToken);
        PromptAnswer[] pairs = [.. answers.Select((answer, i) => SafetyEvaluation.Judged(_probe.Prompts[i], answer.Text))];
        // On the pool: a judge may come back to a synchronisation context that this thread blocks.
        var verdicts = Task.Run(() => _probe.Judge.JudgeAsync(pairs, cancellationToken), cancellationToken).GetAwaiter().GetResult();
        var metrics = HarmfulnessMetrics.Compute(pairs, verdicts, _probe.Judge.Categories);
        return point with
        {
            HarmfulScore = metrics.HarmfulScoreOfAll,
            Broken = new BinomialRate(metrics.Outcomes.Count(outcome => outcome is null), metrics.Total),
        };
    }
}
