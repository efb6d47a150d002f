using System.CommandLine;
using AsFT.Lab;
using AsFT.Lab.Comparison;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.Cli.Plots;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Metrics;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft compare</c>: ways of fine-tuning side by side, knobs chosen on development seeds and reported once on others.</summary>
internal sealed class CompareCommand : ToolCommand
{
    private readonly Option<string?> _config = new("--config") { HelpName = "FILE", Description = "Models, data, judge, training, seeds and methods (JSON). Without it: all methods in the bundled safety world" };
    private readonly Option<bool> _quick = new("--quick") { Description = "A few minutes instead of most of an hour: the bundled world's short configuration; with --config, its first share of poison above 0, one development and two report seeds" };
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "Folder for report.md, rows.jsonl and plots; finished runs found there are not run again", DefaultValueFactory = _ => "asft-compare" };
    private readonly ForceOption _force = new();
    private readonly JsonFileOption _json = new("Write all runs as a JSON array to a file; without a file, print it instead of text");

    public CompareCommand() : base("compare", "Compare ways of fine-tuning: HS, FA and over-refusal of each, with knobs chosen on other seeds than those reported")
    {
        foreach (var option in new Option[] { _config, _quick, _out, _force, _json }) Options.Add(option);
    }

    /// <summary>A configuration that the tool carries.</summary>
    public static string Bundled(string name) => Path.Combine(AppContext.BaseDirectory, "Comparisons", name);

    protected override int Run(ToolRun run)
    {
        var jsonFile = run.Get(_json);
        var config = Configure(run);
        using var folder = OutputFolder.Claim(run, run.Get(_out), run.Get(_force), ["report.md", "rows.jsonl"], goesOn: true);
        using var jsonFolder = jsonFile is null ? null : new OutputFolder(Path.GetDirectoryName(Path.GetFullPath(jsonFile))!);
        ComparisonResult result;
        try
        {
            result = ProgressDisplay.Show(run, "Comparing", display => MethodComparison.Run(config, folder.FullPath, new Forwarder(run, display), run.CancellationToken));
        }
        finally
        {
            // Rows of a run that was stopped are what the next one goes on from.
            if (File.Exists(folder.Path("rows.jsonl"))) folder.KeepUnfinished();
        }

        // The report first without pictures: one that cannot be drawn does not take the report along.
        var report = folder.Path("report.md");
        WriteReport([]);
        folder.Keep();
        if (jsonFile is not null)
        {
            AtomicOutput.WriteFile(jsonFile, path => File.WriteAllText(path, ComparisonRow.ToJson(result.Rows)));
            jsonFolder!.Keep();
        }
        string[] plots = [.. ComparisonPlots.SaveCurves(result, folder.FullPath), .. ComparisonPlots.SaveBars(result, folder.FullPath)];
        WriteReport([.. plots.Where(p => p.EndsWith(".png", StringComparison.Ordinal)).Select(p => Path.GetFileName(p)!)]);
        if (run.IsJson) run.Console.Output.WriteLine(ComparisonRow.ToJson(result.Rows));
        Say(run, result);
        run.Say(report);
        foreach (var plot in plots) run.Say(plot);
        if (jsonFile is not null) run.Say(Path.GetFullPath(jsonFile));
        return ExitCode.Success;

        void WriteReport(string[] pictures) => AtomicOutput.WriteFile(report, path => File.WriteAllText(path, ComparisonMarkdown.Write(result, pictures)));
    }

    private ComparisonConfig Configure(ToolRun run)
    {
        var (path, isQuick) = (run.Get(_config), run.Get(_quick));
        if (path is null) return ComparisonConfig.Load(Bundled(isQuick ? "world-quick.json" : "world.json"));
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no configuration '{path}'.");
        var config = ComparisonConfig.Load(path);
        if (!isQuick) return config;
        double[] poison = [config.ChooseAt ?? config.Poison.Where(p => p > 0).DefaultIfEmpty(config.Poison[0]).First()];
        return config with { Poison = poison, DevelopmentSeeds = [.. config.DevelopmentSeeds.Take(1)], ReportSeeds = [.. config.ReportSeeds.Take(2)] };
    }

    private static void Say(ToolRun run, ComparisonResult result)
    {
        foreach (var task in result.Config.Tasks)
            foreach (var poison in result.Config.Poison)
            {
                run.Say($"{task.Name}, p = {poison:0.##}: percent, mean ± s.d. over {result.Config.ReportSeeds.Count} report seeds");
                var table = new ResultTable("method", "chosen on development", "HS", "FA", "over-refusal", "no verdict", "seconds");
                foreach (var method in result.Config.Methods)
                {
                    var (summary, choice) = (result.Summarize(task.Name, poison, method.Name), result.Choice(task.Name, poison, method.Name));
                    table.AddRow(method.Name, choice.Setting.Label + (choice.Qualifies == false ? " (none qualified: highest FA)" : ""), Cell(summary.Hs), Cell(summary.Fa),
                        Cell(summary.OverRefusal), Cell(summary.WithoutVerdict), Cell(summary.Seconds));

                    string Cell(Moments moments) => ComparisonMarkdown.Shown(moments, summary.Seeds);
                }
                run.Say(table);
                foreach (var line in ComparisonMarkdown.WithoutNumbers(result, task.Name, poison).Concat(ComparisonMarkdown.Verdicts(result, task.Name, poison))) run.Say(line);
                run.Say("");
            }
        run.Say("HS: harmful answers among those with a verdict. FA: right answers to the task. Tests and curves: report.md.");
        foreach (var note in result.Notes) run.Say(note);
    }

    private sealed class Forwarder(ToolRun run, IProgress<WorkState> display) : IProgress<ComparisonProgress>
    {
        private readonly System.Diagnostics.Stopwatch _clock = System.Diagnostics.Stopwatch.StartNew();
        private int _found = -1;

        public void Report(ComparisonProgress value)
        {
            if (_found < 0) _found = value.Done;
            // Before a day of runs, not behind it.
            foreach (var note in value.Notes) Pipelines.Warning(run)(note);
            // Rows found finished took no time; the two phases share one estimate.
            var done = value.Done - _found;
            TimeSpan? remaining = done > 0 ? _clock.Elapsed / done * (value.Total - value.Done) : null;
            var detail = value.Row is { } row ? $"{row.Method} {row.Setting} p = {row.Poison:0.##} seed {row.Seed}: {(row.Diverged is not null ? "diverged" : row.CannotRun is not null ? "could not run" : $"HS {StatisticsText.Percent(row.Hs ?? double.NaN)} FA {StatisticsText.Percent(row.Fa ?? double.NaN)}")}" : $"{value.Done} runs found finished";
            display.Report(new WorkState(value.Done, value.Total, detail, Remaining: remaining));
        }
    }
}
