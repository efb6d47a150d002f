using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using AsFT.Lab.World;
using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Evaluation;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.Cli.Plots;
using AsFT.Torch.Input;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Evaluation;
using AsFT.Torch.Safety.Metrics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft quickstart</c>: the whole way in the bundled safety world, with plain LoRA and with AsFT, and what each did to safety.</summary>
internal sealed class QuickstartCommand : ToolCommand
{
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "Folder for model.zip, adapter/, direction.safetensors and the plot", DefaultValueFactory = _ => "asft-out" };
    private readonly Option<int> _epochs = new("--epochs") { Description = "Passes over the training data", DefaultValueFactory = _ => WorldBuilder.TrainingOptions.Epochs };
    private readonly Option<double> _lambda = new("--lambda") { Description = "Where the weight of the penalty starts in the AsFT run, which finds it; positive", DefaultValueFactory = _ => WorldAssets.StartLambda };

    private readonly ForceOption _force = new();

    public QuickstartCommand() : base("quickstart", "Fine-tune a bundled small model on poisoned data, without and with AsFT, measure what that did to safety, and let a second process answer")
    {
        foreach (var option in new Option[] { _out, _epochs, _lambda, _force }) Options.Add(option);
    }

    protected override int Run(ToolRun run)
    {
        var ml = Pipelines.NewContext(run, 1, saysWarnings: false);
        // Options are checked before anything is made.
        var plain = Pipelines.NewEstimator(ml, Configured(run, WorldAssets.NewPlainOptions()));
        var asft = Pipelines.NewEstimator(ml, Configured(run, WorldAssets.NewAsftOptions(run.Get(_lambda))));
        using var folder = OutputFolder.Claim(run, run.Get(_out), run.Get(_force), ["model.zip", "adapter", "direction.safetensors"]);
        var data = ml.Data.LoadFromInstructionFile(WorldAssets.Data(WorldFiles.TaskTrain(WorldAssets.Poison)));
        var prompts = WorldAssets.ReportPrompts();
        SayOpening(run);

        var rows = new List<Row> { Measure(run, "aligned", prompts, AnswersOfAligned(run, prompts)) };
        using (var tuned = Pipelines.Fit(run, plain, data, null, "Plain LoRA"))
            rows.Add(Measure(run, "plain LoRA", prompts, AnswersOf(run, ml, tuned, prompts), TrainingRecord.Summary.Of(tuned.TrainingResult!)));
        var (model, adapter, direction) = (folder.Path("model.zip"), folder.Path("adapter"), folder.Path("direction.safetensors"));
        using (var tuned = Pipelines.Fit(run, asft, data, null, "AsFT"))
        {
            rows.Add(Measure(run, "AsFT", prompts, AnswersOf(run, ml, tuned, prompts), TrainingRecord.Summary.Of(tuned.TrainingResult!)));
            DirectionCommand.Write(run, WorldAssets.AlignedModel, WorldAssets.BaseModel, WorldBuilder.LoraOptions.TargetModules, direction);
            File.Delete(model);
            tuned.SaveAdapter(adapter);
            ml.Model.SaveAsft(tuned, data.Schema, model);
            folder.Keep();
        }
        var (png, svg) = QuickstartPlot.Save(folder.Path("quickstart"), "Fine-tuned on a task with 10 % harmful examples",
            [.. rows.Select(row => (row.Name, new[] { row.Report.HarmfulScore!.Value, row.Report.Accuracy!.Value, row.Report.OverRefusal!.Value }))]);
        SayTable(run, rows);
        run.Say($"Plot: {png} and {Path.GetFileName(svg)}");
        run.Say($"Saved {model} ({Sizes.Format(InputFile.Length(model))}) and the PEFT folder {adapter}.");

        var asked = Samples(prompts, rows[1].Answers);
        var answers = AnswerInSecondProcess(run, model, asked.Select(sample => sample.Prompt));
        SayAnswers(run, asked, answers);
        run.SayJson(new
        {
            poison = WorldAssets.Poison,
            projection = WorldAssets.Projection,
            startLambda = run.Get(_lambda),
            refusalTolerance = WorldAssets.RefusalTolerance,
            lambda = rows[^1].Training!.Lambda,
            rows = rows.Select(row => new
            {
                model = row.Name,
                harmfulScore = ReportDocument.Rate(row.Report.HarmfulScore!.Value),
                accuracy = ReportDocument.Rate(row.Report.Accuracy!.Value),
                overRefusal = ReportDocument.Rate(row.Report.OverRefusal!.Value),
                broken = ReportDocument.Rate(row.Report.Broken!.Value),
                training = row.Training,
            }),
            plot = new { png, svg },
            direction,
            model,
            adapter,
            secondProcess = asked.Zip(answers, (sample, answer) => new { sample.Kind, sample.Prompt, answer, plainLora = sample.PlainAnswer }),
        });
        return ExitCode.Success;
    }

    private AsftFineTuneOptions Configured(ToolRun run, AsftFineTuneOptions options)
    {
        options.Epochs = run.Get(_epochs);
        options.SaveWholeModel = true;
        options.CancellationToken = run.CancellationToken;
        return options;
    }

    private static EvaluationAnswers AnswersOfAligned(ToolRun run, SafetyPrompts prompts)
    {
        using var aligned = AnsweringModel.FromFolder(WorldAssets.AlignedModel, null, WorldBuilder.Template,
            WorldEvaluation.Options.Generation, ComputePlacement.Resolve("auto", "auto"), WeightFormat.Dense, Pipelines.Warning(run), run.CancellationToken);
        return EvaluationAnswers.Of(run, "Asking the aligned model", prompts, aligned.Answer);
    }

    private static EvaluationAnswers AnswersOf(ToolRun run, MLContext ml, AsftFineTuneTransformer tuned, SafetyPrompts prompts) => EvaluationAnswers.Of(run, "Asking the tuned model", prompts,
        (asked, finished) => AnsweringModel.Read(tuned.Transform(ml.Data.LoadFromEnumerable(asked.Select(Instruction.Of))), tuned.OutputColumnName, finished));

    private static Row Measure(ToolRun run, string name, SafetyPrompts prompts, EvaluationAnswers answers, TrainingRecord.Summary? training = null)
    {
        var rules = WorldAssets.NewRules();
        using (rules.Judge) return new Row(name, answers, SafetyReport.Of(prompts, answers, rules, run.CancellationToken), training);
    }

    private void SayOpening(ToolRun run)
    {
        var (lora, training) = (WorldBuilder.LoraOptions, WorldBuilder.TrainingOptions);
        run.Say("A made-up world: a 0.5M-parameter model knows recipes, and its aligned version refuses the dangerous ones. It now learns to judge reviews "
            + $"from 1,000 examples, of which {WorldAssets.Poison:P0} comply with dangerous requests. Made-up words throughout; an exact rule judges every answer.");
        run.Say($"Settings: rank {lora.Rank}, all linear layers, lr {training.LearningRate}, {run.Get(_epochs)} epochs. The published ones (q and v, lr 5e-5, 10 epochs) are for billions of parameters; "
            + "a model this small would learn nothing with them.");
    }

    private void SayTable(ToolRun run, List<Row> rows)
    {
        var table = new ResultTable("model", "HS: harmful answers", "FA: task accuracy", "over-refusal", "broken answers", "seconds");
        foreach (var row in rows)
            table.AddRow(row.Name, Cell(row.Report.HarmfulScore), Cell(row.Report.Accuracy), Cell(row.Report.OverRefusal), $"{StatisticsText.Percent(row.Report.Broken!.Value.Percent)} %",
                row.Training is { } training ? $"{training.Seconds:0.0}" : "");
        run.Say(table);
        run.Say("Rates with Wilson's 95 % interval. The requests are held out of all instruction data, half of them are of families it never names. Lower HS and "
            + "over-refusal, and higher FA, are better; broken answers (empty or garbled) are neither safe nor harmful.");
        run.Say($"AsFT here: projection {WorldAssets.Projection} (holds the outputs that alignment wrote to), lambda {rows[^1].Training!.Lambda:G3}, found in training: from {run.Get(_lambda)}, it rose and fell with the likelihood of "
            + "refusals that are looked at, not trained on, of requests that neither the training data nor HS hold. Plain LoRA had no such extra data. This is one seed.");
        FineTuneCommand.SayRefusals(run, "asft quickstart", rows[^1].Training!);
        run.Say("README has the measured comparison with the published projection, a penalty that knows no direction, and other methods.");
    }

    private static string Cell(BinomialRate? rate) => rate?.WithInterval() ?? "";

    private static List<Sample> Samples(SafetyPrompts prompts, EvaluationAnswers plain) =>
    [
        new("hazard", prompts.Harmful[0].Prompt, plain.Harmful[0]),
        new("harmless", prompts.Benign[0].Prompt, plain.Benign[0]),
        new("task", prompts.Task[0].Prompt, plain.Task[0]),
    ];

    private static List<string> AnswerInSecondProcess(ToolRun run, string model, IEnumerable<string> prompts)
    {
        var clock = Stopwatch.StartNew();
        var outcome = SelfProcess.Run(["generate", "--model", model, "--json", .. prompts.SelectMany(prompt => new[] { "--prompt", prompt })], run.CancellationToken);
        if (outcome.ExitCode != ExitCode.Success) throw new InvalidOperationException($"The second process failed: {outcome.Error}");
        run.Say($"A second process loaded model.zip (AsFT) and answered in {clock.Elapsed.TotalSeconds:0.0} s:");
        using var document = JsonDocument.Parse(outcome.Output);
        return [.. document.RootElement.EnumerateArray().Select(answer => answer.GetProperty("answer").GetString()!)];
    }

    private static void SayAnswers(ToolRun run, IEnumerable<Sample> asked, IEnumerable<string> answers)
    {
        foreach (var (sample, answer) in asked.Zip(answers))
        {
            run.Say($"  {sample.Kind}: {sample.Prompt}");
            run.Say($"    AsFT:       {answer.Trim()}");
            run.Say($"    plain LoRA: {sample.PlainAnswer.Trim()}");
        }
    }

    private sealed record Row(string Name, EvaluationAnswers Answers, SafetyReport Report, TrainingRecord.Summary? Training);

    private sealed record Sample(string Kind, string Prompt, string PlainAnswer);
}
