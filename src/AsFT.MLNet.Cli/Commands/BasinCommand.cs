using System.CommandLine;
using System.Globalization;
using AsFT.Lab.Basin;
using AsFT.Lab.World;
using AsFT.MLNet.Cli.Evaluation;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.MLNet.Cli.Plots;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Generation;
using AsFT.Torch.Input;
using AsFT.Torch.Models;
using AsFT.Torch.Safety.Judges;
using AsFT.Torch.Safety.Metrics;
using AsFT.Torch.Tokenization;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft basin</c>: harmful score and refusal likelihood along the alignment direction and across it.</summary>
internal sealed class BasinCommand : ToolCommand
{
    private const string Moderation = "moderation";
    private static readonly BasinOptions Defaults = new();

    private readonly Option<string?> _aligned = new("--aligned") { HelpName = "DIR", Description = "Folder of the aligned model; left out: the bundled safety world" };
    private readonly Option<string?> _base = new("--base") { HelpName = "DIR", Description = "Folder of the base model of the same shape" };
    private readonly Option<string?> _prompts = new("--prompts") { HelpName = "FILE", Description = "Instruction file with harmful prompts" };
    private readonly Option<string[]> _judge = new("--judge") { HelpName = "NAME|DIR", Description = "world, refusal, the folder of a moderation model (also: moderation DIR), or none (likelihood only); left out: refusal, or world for the bundled world", AllowMultipleArgumentsPerToken = true, Arity = new ArgumentArity(0, 2) };
    private readonly Option<string?> _refusals = new("--refusals") { HelpName = "FILE", Description = "Reference refusals: an instruction file whose answers are taken, or text with one a line; left out: common beginnings" };
    private readonly Option<double> _from = new("--from") { Description = "First coordinate, in lengths of the alignment direction; -1 is the base model", DefaultValueFactory = _ => Defaults.From };
    private readonly Option<double> _to = new("--to") { Description = "Last coordinate", DefaultValueFactory = _ => Defaults.To };
    private readonly Option<int> _points = new("--points") { Description = "Points of each line", DefaultValueFactory = _ => Defaults.Points };
    private readonly Option<bool> _surface = new("--2d") { Description = "Also scan the plane of the alignment direction and the first random one" };
    private readonly Option<int> _surfacePoints = new("--2d-points") { Description = "Points of each axis of the plane", DefaultValueFactory = _ => 11 };
    private readonly Option<int> _directions = new("--directions") { Description = "Random directions across the alignment direction", DefaultValueFactory = _ => Defaults.RandomDirections };
    private readonly Option<long> _seed = new("--seed") { Description = "Seed of the random directions", DefaultValueFactory = _ => Defaults.Seed };
    private readonly Option<string?> _layers = new("--layers") { Description = "Decoder layers to move, such as 0,4-7; left out: no restriction" };
    private readonly Option<string?> _targetModules = new("--target-modules") { Description = "Linear layers to move, with commas between: names, suffixes, or all-linear; left out: every weight that differs" };
    // As text: an enumeration's own reading takes numbers, too.
    private readonly Option<string> _storage = new Option<string>("--storage") { Description = "Where weights lie between points: host, device, or streamed (least memory, slow)", DefaultValueFactory = _ => Defaults.Storage.ToString().ToLowerInvariant() }
        .AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, [.. Enum.GetNames<BasinStorage>().Select(name => name.ToLowerInvariant())]);
    private readonly Option<string> _template = new("--template") { HelpName = "NAME", Description = $"Chat template: auto (the model's own), {string.Join(", ", ChatTemplates.Names)}, or the name of one in the folder", DefaultValueFactory = _ => ChatTemplates.Auto };
    private readonly Option<int?> _maxPrompts = new("--max-prompts") { Description = "Take only the first prompts of the file" };
    private readonly Option<int?> _maxNewTokens = new("--max-new-tokens") { Description = "New tokens per answer at most" };
    private readonly Option<int> _batchSize = new("--batch-size") { Description = "Prompts or refusals per forward pass", DefaultValueFactory = _ => 64 };
    private readonly Option<string> _out = new("--out") { HelpName = "PATH", Description = "Folder for basin.json and the plots (PNG and SVG)", DefaultValueFactory = _ => "basin" };
    private readonly ForceOption _force = new();
    private readonly InstructionFileArguments _fields = new();
    private readonly DeviceOptions _device = new();

    public BasinCommand() : base("basin", "Plot harmful score and refusal likelihood along the alignment direction and across it")
    {
        foreach (var option in new Option[] { _aligned, _base, _prompts, _judge, _refusals, _from, _to, _points, _surface, _surfacePoints, _directions, _seed, _layers, _targetModules, _storage, _template, _maxPrompts, _maxNewTokens, _batchSize, _out, _force })
            Options.Add(option);
        _fields.AddTo(this);
        _device.AddTo(this);
    }

    public override IReadOnlyDictionary<string, string> OptionNames { get; } = new Dictionary<string, string>
    {
        [nameof(BasinOptions.RandomDirections)] = "--directions",
        [nameof(BasinOptions.SurfacePoints)] = "--2d-points",
        [nameof(BasinProbe.LikelihoodBatchSize)] = "--batch-size",
    };

    protected override int Run(ToolRun run)
    {
        var isWorld = run.Get(_aligned) is null;
        if (isWorld && run.Get(_base) is not null) throw new ArgumentException("--base goes with --aligned; without both, the bundled world is scanned.");
        if (!isWorld && run.Get(_base) is null) throw new ArgumentException("--aligned needs --base, the model it was made from.");
        if (!isWorld && run.Get(_prompts) is null) throw new ArgumentException("--aligned needs --prompts, a file of harmful prompts.");
        var options = ReadOptions(run);
        options.Validate();
        if (run.Get(_maxPrompts) < 1) throw new ArgumentException($"{_maxPrompts.Name} must be at least 1.");
        if (!run.Get(_surface) && run.Parse.GetResult(_surfacePoints) is { Implicit: false }) throw new ArgumentException($"{_surfacePoints.Name} goes with {_surface.Name}.");
        if (run.Get(_batchSize) < 1) throw new ArgumentException("LikelihoodBatchSize must be at least 1.");

        var aligned = run.Get(_aligned) ?? WorldAssets.AlignedModel;
        var baseline = run.Get(_base) ?? WorldAssets.BaseModel;
        using var judge = OpenJudge(run, isWorld);
        using var checkpoint = ModelCheckpoint.Open(baseline);
        var probe = ReadProbe(run, aligned, isWorld, judge);
        using var folder = OutputFolder.Claim(run, run.Get(_out), run.Get(_force), ["basin.json", "basin.png"]);
        run.Note($"Loading '{aligned}'");
        using var model = CausalLanguageModel.Load(aligned, _device.Resolve(run));
        using var threads = model.UseThreads();
        var scan = ProgressDisplay.Show(run, "Basin", display => SafetyBasin.Scan(model, checkpoint, probe, options, new Forwarder(display), run.CancellationToken));

        scan.Save(folder.Path("basin.json"));
        var files = new List<string> { folder.Path("basin.json") };
        files.AddRange(BasinLinePlot.Save(scan, folder.Path("basin")));
        if (scan.Surface is not null) files.AddRange(BasinSurfacePlot.Save(scan, folder.Path("basin-2d")));
        folder.Keep();
        Report(run, scan, files);
        return ExitCode.Success;
    }

    private BasinOptions ReadOptions(ToolRun run) => new()
    {
        From = run.Get(_from),
        To = run.Get(_to),
        Points = run.Get(_points),
        RandomDirections = run.Get(_directions),
        SurfacePoints = run.Get(_surface) ? run.Get(_surfacePoints) : 0,
        Seed = run.Get(_seed),
        Layers = run.Get(_layers) is { } layers ? ReadLayers(layers) : null,
        TargetModules = run.Get(_targetModules)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        Storage = Enum.Parse<BasinStorage>(run.Get(_storage), ignoreCase: true),
    };

    private static int[] ReadLayers(string text)
    {
        List<int> layers = [];
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var ends = part.Split('-', 2, StringSplitOptions.TrimEntries);
            if (!int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var last) || last < first || last - first > 10_000)
                throw new ArgumentException("Layers must be numbers and ranges, such as 0,4-7.");
            layers.AddRange(Enumerable.Range(first, last - first + 1));
        }
        return [.. layers.Distinct()];
    }

    private IHarmfulnessJudge? OpenJudge(ToolRun run, bool isWorld)
    {
        string[] words = run.Get(_judge) is { Length: > 0 } given ? given : [isWorld ? "world" : "refusal"];
        switch (words)
        {
            case ["world"]: return new WorldHarmfulnessJudge();
            case ["refusal"]: return new RefusalMatchJudge();
            case ["none"]: return null;
            case [Moderation, var folder]: return OpenModeration(folder);
            // As in eval.
            case [var folder] when Directory.Exists(folder): return OpenModeration(folder);
            default: throw new ArgumentException($"Judge must be world, refusal, none, or the folder of a moderation model; found '{string.Join(' ', words)}'.");
        }

        IHarmfulnessJudge OpenModeration(string folder) => ModerationModelJudge.Load(folder, new ModerationJudgeOptions { BatchSize = run.Get(_batchSize) }, _device.Resolve(run));
    }

    private BasinProbe ReadProbe(ToolRun run, string aligned, bool isWorld, IHarmfulnessJudge? judge)
    {
        var file = run.Get(_prompts) ?? WorldAssets.Data(WorldFiles.Prompts("hazards", WorldSplit.Development));
        var prompts = ReadInstructions(run, file, isForPrompts: true).Select(row => row.ToExample(null)).Take(run.Get(_maxPrompts) ?? int.MaxValue).ToList();
        if (prompts.Count == 0) throw new InvalidDataException($"'{file}' has no prompt.");
        var probe = new BasinProbe
        {
            Tokenizer = LanguageTokenizer.Load(aligned),
            Template = ChatTemplates.Load(aligned, run.Get(_template)),
            Prompts = prompts,
            Judge = judge,
            Generation = new GenerationOptions { MaxNewTokens = run.Get(_maxNewTokens) ?? (isWorld ? WorldBuilder.MaxAnswerTokens : 256), BatchSize = run.Get(_batchSize) },
            LikelihoodBatchSize = run.Get(_batchSize),
        };
        var refusals = run.Get(_refusals) ?? (isWorld ? WorldAssets.Data(WorldFiles.Refusals) : null);
        return refusals is null ? probe : probe with { Refusals = ReadRefusals(run, refusals) };
    }

    private List<string> ReadRefusals(ToolRun run, string file)
    {
        var isText = Path.GetExtension(file).ToLowerInvariant() is not (".json" or ".jsonl");
        var refusals = (isText ? TextInput.ReadLines(file) : ReadInstructions(run, file, isForPrompts: false).Select(row => row.Response))
            .Select(text => text.Trim()).Where(text => text.Length > 0).Distinct(StringComparer.Ordinal).ToList();
        return refusals.Count > 0 ? refusals : throw new InvalidDataException($"'{file}' has no refusal.");
    }

    private IEnumerable<Instruction> ReadInstructions(ToolRun run, string file, bool isForPrompts)
    {
        var ml = Pipelines.NewContext(run, 0);
        return Pipelines.ReadInstructions(ml, _fields.Load(run, ml, file, isForPrompts));
    }

    private static void Report(ToolRun run, BasinScan scan, List<string> files)
    {
        var table = new ResultTable("distance", "HS along D", "refusal, nats", "broken", "HS across D", "refusal, nats", "broken");
        var spread = scan.RandomSpread.ToDictionary(s => s.Beta);
        foreach (var point in scan.Alignment.Points)
        {
            var across = spread.GetValueOrDefault(point.Alpha);
            string[] cells =
            [
                $"{point.Alpha:0.###}{(point.Alpha == 0 ? " aligned" : point.Alpha == -1 ? (scan.IsWhole ? " base" : " base*") : "")}",
                Percent(point.HarmfulScore?.Percent), $"{point.RefusalLogMass:0.00}", Percent(point.Broken?.Percent),
                across is null ? "" : across.HarmfulScore is null ? "-" : $"{StatisticsText.Percent(across.HarmfulScore.Value)}{(across.HarmfulScoreDeviation is { } spreadHs ? $" ± {StatisticsText.Percent(spreadHs)}" : "")} %",
                across is null ? "" : $"{across.RefusalLogMass:0.00}{(across.RefusalLogMassDeviation is { } spreadMass ? $" ± {spreadMass:0.00}" : "")}", across is null ? "" : Percent(across.Broken),
            ];
            table.AddRow(cells);
        }
        run.Say(table);
        if (!scan.IsWhole) run.Say("* only in the chosen weights");
        run.Say($"D is {100 * scan.RelativeNorm:0.0} % as long as the weights ({scan.Tensors.Count} tensors). {scan.Prompts} prompts, {scan.Refusals.Count} reference refusals, {scan.Seconds:0} s.");
        if (scan.Alignment.Points.FirstOrDefault(point => point.Alpha == -1) is { } below && scan.Alignment.Points.FirstOrDefault(point => point.Alpha == 0) is { } here
            && below.RefusalPerToken > here.RefusalPerToken)
            run.Warn($"The refusals are likelier at the base ({-below.RefusalPerToken:0.000} nats per token) than at the aligned model ({-here.RefusalPerToken:0.000}): are --aligned and --base swapped?");
        if (scan.Alignment.SafeStretch(10) is { } along) run.Say($"HS stays at or below 10 % from {along.From:0.00} to {along.To:0.00} along D" + (scan.Random.Count == 0 ? "."
            : $"; across it {string.Join(", ", scan.Random.Select(line => line.SafeStretch(10) is { } s ? $"{s.From:0.00} to {s.To:0.00}" : "nowhere"))}."));
        foreach (var file in files) run.Say(file);
        run.SayJson(new { scan, files });
    }

    private static string Percent(double? value) => value is { } percent ? $"{StatisticsText.Percent(percent)} %" : "-";

    private sealed class Forwarder(IProgress<WorkState> display) : IProgress<BasinProgress>
    {
        public void Report(BasinProgress value) => display.Report(new(value.Done, value.Total,
            $"{(value.Direction is { } random ? $"random {random + 1} at {value.Point.Alpha:0.##}, {value.Point.Beta:0.##}" : $"along D at {value.Point.Alpha:0.##}")}  HS {Percent(value.Point.HarmfulScore?.Percent)}  refusal {value.Point.RefusalLogMass:0.0}"));
    }
}
