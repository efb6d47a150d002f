using System.CommandLine;
using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Evaluation;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using Microsoft.ML;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Commands;

/// <summary>
/// <c>asft eval</c>: how harmful, how over-cautious and how able a model is, alone or beside another one. Limits make it a
/// gate for CI: exit code 3 when one is not kept.
/// </summary>
internal sealed class EvalCommand : ToolCommand
{
    private readonly ModelArguments _model = new(isRequired: false);
    private readonly JudgeArguments _judge;
    private readonly InstructionFileArguments _fields = new();
    private readonly Option<string?> _answers = new("--answers") { HelpName = "FILE", Description = "Answers already generated, JSON or JSONL with prompt and response (and context, system), instead of a model. Without prompt files all of them count as answers to harmful prompts" };
    private readonly Option<string?> _harmful = new("--harmful") { HelpName = "FILE", Description = "Instruction file with prompts that ought to be refused: the harmful score HS" };
    private readonly Option<string?> _benign = new("--benign") { HelpName = "FILE", Description = "Instruction file with prompts that ought not to be refused: over-refusal" };
    private readonly Option<string?> _task = new("--task") { HelpName = "FILE", Description = "Instruction file with right answers: the task accuracy FA" };
    private readonly Option<string> _taskRule = new Option<string>("--task-rule") { Description = "exact (same text in normal form), label (the label named first) or last-number (GSM8K's rule)", DefaultValueFactory = _ => "exact" }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "exact", "label", "last-number");

    private readonly Option<string?> _taskLabels = new("--task-labels") { Description = "Labels of the task, with commas between, for --task-rule label; left out: the distinct right answers" };
    private readonly Option<string?> _compare = new("--compare") { HelpName = "PATH", Description = "Another model (model.zip or folder), or answers (.json, .jsonl), on the same prompts: paired differences and McNemar's exact p. A folder beside a model.zip is asked with the template and the generation settings of the model.zip, unless --template names another template for the folder" };
    private readonly Option<string?> _compareAdapter = new("--compare-adapter") { HelpName = "DIR", Description = "PEFT adapter folder of the other model, where it is a folder" };
    private readonly Option<double?> _maxHarmfulScore = new("--max-harmful-score") { HelpName = "PERCENT", Description = "Gate: HS over all harmful prompts at most" };
    private readonly Option<double?> _minAccuracy = new("--min-accuracy") { HelpName = "PERCENT", Description = "Gate: FA at least" };
    private readonly Option<double?> _maxOverRefusal = new("--max-over-refusal") { HelpName = "PERCENT", Description = "Gate: over-refusal at most" };
    private readonly Option<double> _maxBroken = new("--max-broken") { HelpName = "PERCENT", Description = "Gates on HS and over-refusal fail when more of the answers than this are empty, garbled or without a verdict", DefaultValueFactory = _ => 5 };
    private readonly Option<string?> _jsonFile = new("--json-file") { HelpName = "FILE", Description = "Write the JSON document to a file too" };
    private readonly Option<string?> _markdown = new("--markdown") { HelpName = "FILE", Description = "Write a report in Markdown" };
    private readonly Option<string?> _saveAnswers = new("--save-answers") { HelpName = "FILE", Description = "Write the model's answers as JSONL as they come, for --answers or --compare of a later run" };

    private readonly ForceOption _force = new("a file that holds no answers");

    public EvalCommand() : base("eval", "Measure harmful score, over-refusal and task accuracy of a model; with limits, a gate that exits with 3")
    {
        _judge = new JudgeArguments(_model.Device);
        foreach (var option in new Option[] { _answers, _harmful, _benign, _task, _taskRule, _taskLabels }) Options.Add(option);
        _judge.AddTo(this);
        foreach (var option in new Option[] { _compare, _compareAdapter, _maxHarmfulScore, _minAccuracy, _maxOverRefusal, _maxBroken, _jsonFile, _markdown, _saveAnswers, _force }) Options.Add(option);
        _model.AddTo(this);
        _fields.AddTo(this);
    }

    public override IReadOnlyDictionary<string, string> OptionNames =>
        new Dictionary<string, string>(_model.Words) { ["Threshold"] = "--judge-threshold", ["phrases"] = "--refusal-phrase" };

    private static bool IsFile(string path) => File.Exists(path) && Path.GetExtension(path).ToLowerInvariant() is ".json" or ".jsonl";

    protected override int Run(ToolRun run)
    {
        // All that can be wrong in the arguments is told before a model is read.
        CheckArguments(run);
        var ml = Pipelines.NewContext(run, 0);
        var ready = run.Get(_answers) is { } file ? new AnswersFile(file) : null;
        var prompts = ReadPrompts(run, ml, ready);
        CheckGates(run, prompts);
        var answered = ready?.Answer(prompts);
        var otherAnswered = run.Get(_compare) is { } path && IsFile(path) ? new AnswersFile(path).Answer(prompts) : null;
        using var judge = _judge.Open(run);
        var rules = new EvaluationRules(judge, _judge.Threshold(run), _judge.Refusals(run));
        string[] outputs = [.. new[] { _jsonFile, _markdown, _saveAnswers }.Select(run.Get).OfType<string>()];
        var folders = outputs.Select(path => new OutputFolder(Path.GetDirectoryName(Path.GetFullPath(path))!)).ToList();
        try
        {
            var answers = answered ?? Ask(run, prompts, "Answering", () => _model.Open(run), run.Get(_saveAnswers));
            if (answered is not null && run.Get(_saveAnswers) is { } kept) AnswersFile.Write(kept, prompts, answers);
            if (judge is ModerationModelJudge) run.Note($"Judging the answers ({judge.Name})");
            var report = SafetyReport.Of(prompts, answers, rules, run.CancellationToken);
            var comparison = run.Get(_compare) is { } other
                ? ReportComparison.Of(SafetyReport.Of(prompts, otherAnswered ?? Ask(run, prompts, "Answering, other model", () => _model.Open(run, other, run.Get(_compareAdapter))), rules, run.CancellationToken), report)
                : null;
            var gates = Gates(run, report).ToList();
            Write(run, prompts, answers, report, comparison, gates, rules);
            folders.ForEach(folder => folder.Keep());
            foreach (var gate in gates.Where(gate => !gate.Passed)) run.Warn($"asft eval: {gate}");
            return gates.TrueForAll(gate => gate.Passed) ? ExitCode.Success : ExitCode.GateFailed;
        }
        finally
        {
            folders.ForEach(folder => folder.Dispose());
        }
    }

    private void CheckArguments(ToolRun run)
    {
        var (model, answers) = (run.Get(_model.Model), run.Get(_answers));
        if (model is null == answers is null) throw new ArgumentException(model is null ? "Give --model or --answers." : "Give --model or --answers, not both.");
        if (model is not null) _model.Validate(run, run.Get(_compare));
        var other = run.Get(_compare);
        if (other is not null && !Directory.Exists(other) && !File.Exists(other)) throw new FileNotFoundException($"There is no model and no file of answers '{other}'.{HubName.Advice(other)}");
        if (other is not null && Path.GetFullPath(other) == Path.GetFullPath((model ?? answers)!) && run.Get(_compareAdapter) == run.Get(_model.Adapter))
            throw new ArgumentException($"--compare names '{other}', which is what is measured: it would be compared with itself.");
        if (run.Get(_compareAdapter) is not null && !Directory.Exists(other)) throw new ArgumentException($"--compare-adapter goes with --compare and a model folder{(other is null ? "" : $"; '{other}' is a file")}.");
        foreach (var option in new[] { _maxHarmfulScore, _minAccuracy, _maxOverRefusal })
            if (run.Get(option) is { } limit && !(limit is >= 0 and <= 100)) throw new ArgumentException($"{option.Name} {limit}: a limit is a percentage in [0, 100].");
        if (run.Get(_saveAnswers) is { } saved && !run.Get(_force) && File.Exists(saved) && !AnswersFile.IsOne(saved))
            throw new IOException($"'{saved}' is there and holds no answers. Give another {_saveAnswers.Name}, or --force to write over it.");
        if (run.Get(_taskLabels) is not null && Rule(run) != AccuracyRule.LabelMatch) throw new ArgumentException($"{_taskLabels.Name} goes with {_taskRule.Name} label.");
        if (run.Get(_maxBroken) is not (>= 0 and <= 100)) throw new ArgumentException($"{_maxBroken.Name} {run.Get(_maxBroken)}: a limit is a percentage in [0, 100].");
    }

    private SafetyPrompts ReadPrompts(ToolRun run, MLContext ml, AnswersFile? ready)
    {
        var prompts = new SafetyPrompts
        {
            Harmful = Read(_harmful, isForPrompts: true),
            Benign = Read(_benign, isForPrompts: true),
            Task = Read(_task, isForPrompts: false),
            TaskRule = Rule(run),
            TaskLabels = run.Get(_taskLabels)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        };
        if (prompts.Harmful.Count + prompts.Benign.Count + prompts.Task.Count > 0) return prompts;
        if (ready is null) throw new ArgumentException("There is nothing to ask: give --harmful, --benign or --task.");
        return prompts with { Harmful = ready.Prompts.Count > 0 ? ready.Prompts : throw new InvalidDataException($"'{run.Get(_answers)}' holds no answers.") };

        List<ChatExample> Read(Option<string?> option, bool isForPrompts)
        {
            if (run.Get(option) is not { } path) return [];
            var rows = Pipelines.ReadInstructions(ml, _fields.Load(run, ml, path, isForPrompts)).Select(row => row.ToExample(null) with { Response = row.Response }).ToList();
            return rows.Count > 0 ? rows : throw new InvalidDataException($"'{path}' holds no prompts.");
        }
    }

    // A gate without its data would pass or fail by nothing.
    private void CheckGates(ToolRun run, SafetyPrompts prompts)
    {
        foreach (var (gate, data, asked) in new[] { (_maxHarmfulScore, _harmful, prompts.Harmful), (_maxOverRefusal, _benign, prompts.Benign), (_minAccuracy, _task, prompts.Task) })
            if (run.Get(gate) is not null && asked.Count == 0) throw new ArgumentException($"{gate.Name} needs {data.Name}.");
    }

    // An hour's answers must outlive a judge that fails: they are written as they come.
    private EvaluationAnswers Ask(ToolRun run, SafetyPrompts prompts, string title, Func<AnsweringModel> open, string? path = null)
    {
        using var alone = path is null ? null : OutputLock.TryTakeFile(path) ?? throw new IOException($"'{path}' is being written to by another run. Wait for its end, or give another {_saveAnswers.Name}.");
        using var model = open();
        using var stream = path is null ? null : new AnswerStream(run, AnswersFile.All(prompts), path);
        try
        {
            return EvaluationAnswers.Of(run, title, prompts, model.Answer, stream);
        }
        catch (OperationCanceledException e) when (stream is not null)
        {
            throw stream.Stopped(e);
        }
    }

    private AccuracyRule Rule(ToolRun run) => run.Get(_taskRule).ToLowerInvariant() switch
    {
        "label" => AccuracyRule.LabelMatch,
        "last-number" => AccuracyRule.LastNumber,
        _ => AccuracyRule.ExactMatch,
    };

    private IEnumerable<Gate> Gates(ToolRun run, SafetyReport report)
    {
        if (run.Get(_maxHarmfulScore) is { } harmful) yield return Gate.AtMost(_maxHarmfulScore.Name, harmful, "HS", report.HarmfulScore!.Value, report.Broken!.Value, run.Get(_maxBroken));
        if (run.Get(_maxOverRefusal) is { } refusal) yield return Gate.AtMost(_maxOverRefusal.Name, refusal, "over-refusal", report.OverRefusal!.Value, report.BrokenBenign!.Value, run.Get(_maxBroken));
        if (run.Get(_minAccuracy) is { } accuracy) yield return Gate.AtLeast(_minAccuracy.Name, accuracy, "FA", report.Accuracy!.Value);
    }

    private void Write(ToolRun run, SafetyPrompts prompts, EvaluationAnswers answers, SafetyReport report, ReportComparison? comparison, List<Gate> gates, EvaluationRules rules)
    {
        var subject = run.Get(_model.Model) ?? run.Get(_answers)!;
        var (judge, refusals) = (rules.Judge.Name, rules.Refusals.Name);
        var document = ReportDocument.Of(new { model = run.Get(_model.Model), answers = run.Get(_answers), judge, refusals, taskRule = prompts.Task.Count == 0 ? null : run.Get(_taskRule) },
            report, run.Get(_compare), comparison, gates);
        var table = new ResultTable("measure", "value");
        foreach (var (measure, value) in ReportText.Rows(report)) table.AddRow(measure, value);
        run.Say($"{subject}, judge {judge}, refusals by {refusals}");
        run.Say(table);
        if (comparison is not null)
        {
            var differences = new ResultTable("measure", $"from {run.Get(_compare)} to this one");
            foreach (var (measure, value) in ReportText.Rows(comparison)) differences.AddRow(measure, value);
            run.Say(differences);
        }
        foreach (var gate in gates.Where(gate => gate.Passed)) run.Say($"gate {gate.Option} {gate.Wanted} passed");
        if (run.Get(_jsonFile) is { } json) AtomicOutput.WriteFile(json, path => File.WriteAllText(path, ToolRun.ToJson(document)));
        if (run.Get(_markdown) is { } markdown)
            AtomicOutput.WriteFile(markdown, path => File.WriteAllText(path, ReportText.Markdown("Safety evaluation",
                [(run.Get(_model.Model) is null ? "answers" : "model", $"`{subject}`"), ("judge", judge), ("refusals by", refusals)], report, run.Get(_compare), comparison, gates)));
        run.SayJson(document);
    }
}
