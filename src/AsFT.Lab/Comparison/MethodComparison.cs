using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Runtime;

namespace AsFT.Lab.Comparison;

/// <summary>How far a comparison is.</summary>
/// <param name="Done">Rows finished, those found finished included.</param>
/// <param name="Total">Rows in all.</param>
/// <param name="Row">The row just finished; null at the start.</param>
public sealed record ComparisonProgress(int Done, int Total, ComparisonRow? Row)
{
    /// <summary>What the runs go without, one line a task; told with the first call alone.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>
/// Compares ways of fine-tuning: knobs are chosen per method on development seeds and prompts, and what is chosen is run
/// once on report seeds and prompts.
/// </summary>
public static class MethodComparison
{
    /// <summary>Runs a comparison.</summary>
    /// <param name="config">What to compare.</param>
    /// <param name="folder">Folder that keeps finished rows (<c>rows.jsonl</c>); a later call takes those that are the same runs from it. Null keeps nothing.</param>
    /// <param name="progress">Told after each row, one call at a time.</param>
    /// <param name="cancellationToken">Stops within the runs; finished rows stay.</param>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    /// <exception cref="InvalidDataException">A model or data file is damaged or does not fit.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ComparisonResult Run(ComparisonConfig config, string? folder = null, IProgress<ComparisonProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        var session = new Session(config, new RowStore(folder), progress, cancellationToken);
        var settings = config.Methods.ToDictionary(method => method.Name, method => MethodSetting.Expand(config, method));
        // What is not searched needs no development runs, except plain LoRA where others are held against it.
        var isSearching = settings.Values.Any(all => all.Count > 1);
        var searched = config.Methods.Where(m => settings[m.Name].Count > 1 || isSearching && m.Kind == MethodKind.Lora).ToList();
        var shares = config.ChooseAt is { } at ? [at] : config.Poison;
        SettingCheck.RequireFit(config, settings);
        session.Foresee([.. Plan(settings.Values.SelectMany(all => all), config.Poison, config.ReportSeeds, ComparisonSplit.Report)]);
        PlannedRun[] development = [.. Plan(searched.SelectMany(m => settings[m.Name]), shares, config.DevelopmentSeeds, ComparisonSplit.Development)];
        session.Total = development.Length + config.Tasks.Count * config.Methods.Count * config.Poison.Count * config.ReportSeeds.Count;
        var developed = session.Execute(development);

        var choices = ComparisonChoice.Choose(config, settings, developed);
        PlannedRun[] report = [.. choices.SelectMany(choice => config.ReportSeeds.Select(seed =>
            new PlannedRun(choice.Setting, config.Tasks.First(t => t.Name == choice.Task), choice.Poison, seed, ComparisonSplit.Report)))];
        return new ComparisonResult(config, choices, [.. developed, .. session.Execute(report)]) { Notes = session.Notes };

        IEnumerable<PlannedRun> Plan(IEnumerable<MethodSetting> all, IReadOnlyList<double> poison, IReadOnlyList<long> seeds, ComparisonSplit split) =>
            from task in config.Tasks from p in poison from seed in seeds from setting in all select new PlannedRun(setting, task, p, seed, split);
    }

    /// <summary>Does planned runs in parallel and keeps their rows.</summary>
    private sealed class Session
    {
        private readonly ComparisonConfig _config;
        private readonly RowStore _store;
        private readonly IProgress<ComparisonProgress>? _progress;
        private readonly CancellationToken _cancellationToken;
        private readonly Dictionary<string, TaskData> _data;
        private readonly ComparisonTokenizer _tokenizer;
        private readonly ComputePlacement _placement;
        private readonly Dictionary<string, string> _common;
        private readonly int _parallel;
        private readonly long _weightBytes;
        private readonly Lock _lock = new();
        private int _done;
        private bool _areNotesTold;

        public Session(ComparisonConfig config, RowStore store, IProgress<ComparisonProgress>? progress, CancellationToken cancellationToken)
        {
            (_config, _store, _progress, _cancellationToken) = (config, store, progress, cancellationToken);
            _placement = ComputePlacement.Resolve(config.Device, config.DType);
            _tokenizer = new ComparisonTokenizer(config);
            _data = config.Tasks.ToDictionary(task => task.Name, task => new TaskData(config, task, _tokenizer));
            Notes = [.. _data.Values.Select(data => data.Note).OfType<string>()];
            var aligned = CheckpointFingerprint.Compute(config.Aligned, cancellationToken);
            string Hash(string? path) => path is null ? "-" : CheckpointFingerprint.Compute(path, cancellationToken).Sha256;
            var shared = string.Join(' ', [$"data={TaskData.Version} aligned={aligned.Sha256} base={Hash(config.Base)} judge={Hash(config.Judge.Path)}", JsonSerializer.Serialize(config.Judge with { Path = null }), JsonSerializer.Serialize(config.Generation),
                $"{config.TaskMaxNewTokens} {config.Template} {config.MaxLength} {_placement.DType} {_placement.Device.type} {string.Join('|', config.RefusalPhrases)} {ComparisonWorker.Refusals(config).Name}"]);
            _common = config.Tasks.ToDictionary(task => task.Name, task => $"{shared} {_data[task.Name].Fingerprint} {task.Count} {task.Rule} {string.Join('|', task.Labels ?? [])}");
            _weightBytes = aligned.Bytes;
            _parallel = ComputeThreads.Runs(_weightBytes, _placement.Device.type, Environment.ProcessorCount, config.Parallel);
        }

        public int Total { get; set; }

        public IReadOnlyList<string> Notes { get; private set; }

        /// <summary>Finds what cannot run, whatever is chosen: told before the first run, and an error where a method has no run at all.</summary>
        /// <exception cref="ArgumentException">A method cannot run with any share of poison and seed.</exception>
        public void Foresee(PlannedRun[] report)
        {
            var notes = new List<string>(Notes);
            foreach (var method in report.GroupBy(run => (run.Task.Name, Method: run.Setting.Method.Name)))
            {
                // A grid of which one point can run is not hindered.
                var runs = method.GroupBy(run => (run.Poison, run.Seed)).ToList();
                var hindered = runs.Where(points => points.All(run => _data[run.Task.Name].Hindrance(run) is not null)).Select(points => (Run: points.First(), Why: _data[method.Key.Name].Hindrance(points.First()))).ToList();
                if (hindered.Count == runs.Count) throw new ArgumentException($"methods: '{method.Key.Method}' cannot run on '{method.Key.Name}' with any of these shares of poison and seeds: {hindered[0].Why}. Leave it out, lower poison, or fix its λ.");
                foreach (var share in hindered.GroupBy(found => (found.Run.Poison, found.Why)))
                    notes.Add(string.Create(CultureInfo.InvariantCulture, $"{method.Key.Method} cannot run on {method.Key.Name} at p = {share.Key.Poison:0.###} with seed {string.Join(", ", share.Select(found => found.Run.Seed))} and has no numbers there: {share.Key.Why}."));
            }
            Notes = notes;
        }

        public ComparisonRow[] Execute(PlannedRun[] runs)
        {
            var keys = runs.Select(run => run.Key(_common[run.Task.Name])).ToArray();
            var rows = keys.Select(_store.Find).ToArray();
            var open = Enumerable.Range(0, runs.Length).Where(i => rows[i] is null).ToArray();
            lock (_lock) _done += runs.Length - open.Length;
            _progress?.Report(new(_done, Total, null) { Notes = _areNotesTold ? [] : Notes });
            _areNotesTold = true;
            if (open.Length == 0) return rows!;

            var groups = new ConcurrentQueue<int[]>(open.GroupBy(i => runs[i].TrainingKey).Select(group => group.ToArray()));
            ExceptionDispatchInfo? failure = null;
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(_cancellationToken);
            using (ComputeThreads.Use(_weightBytes, _placement.Device.type, _parallel))
            {
                Thread[] threads = [.. Enumerable.Range(0, Math.Min(_parallel, groups.Count)).Select(_ => new Thread(Work))];
                foreach (var thread in threads) thread.Start();
                foreach (var thread in threads) thread.Join();
            }
            failure?.Throw();
            return rows!;

            // A thread of its own each: scopes and gradient modes belong to threads.
            void Work()
            {
                try
                {
                    using var worker = new ComparisonWorker(_config, _placement, _data, _tokenizer);
                    while (groups.TryDequeue(out var group))
                    {
                        stop.Token.ThrowIfCancellationRequested();
                        var found = worker.Run([.. group.Select(i => runs[i])], stop.Token);
                        for (var k = 0; k < group.Length; k++) Finish(group[k], found[k] with { Key = keys[group[k]] });
                    }
                }
                catch (Exception e)
                {
                    lock (_lock) failure ??= ExceptionDispatchInfo.Capture(e);
                    stop.Cancel();
                }
            }

            void Finish(int i, ComparisonRow row)
            {
                lock (_lock)
                {
                    // What could not run cost nothing, and may run when its reason is mended.
                    if (row.CannotRun is null) _store.Add(row);
                    rows[i] = row;
                    _progress?.Report(new(++_done, Total, row));
                }
            }
        }
    }
}
