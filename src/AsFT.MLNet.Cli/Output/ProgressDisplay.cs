using System.Diagnostics;
using Spectre.Console;

namespace AsFT.MLNet.Cli.Output;

/// <summary>How far a piece of work is.</summary>
/// <param name="Done">Units done.</param>
/// <param name="Total">Units in all.</param>
/// <param name="Detail">Numbers of this moment, such as the loss.</param>
/// <param name="More">Further numbers, for which a live line has no room.</param>
/// <param name="Remaining">Time left, where it is known.</param>
internal readonly record struct WorkState(double Done, double Total, string Detail, string More = "", TimeSpan? Remaining = null);

/// <summary>
/// Shows the progress of long work on stderr, so that what is piped on holds results alone: a live bar on a terminal, a line
/// now and then elsewhere. Beside JSON, whose readers are scripts, there is only the bar.
/// </summary>
internal static class ProgressDisplay
{
    // A log of an hour's work has a few hundred lines; the first seconds tell that it goes on.
    private static readonly TimeSpan FirstInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(20);

    private const int BarWidth = 12;

    /// <summary>Runs the work and shows what it reports.</summary>
    /// <param name="run">The invocation.</param>
    /// <param name="title">Name of the work.</param>
    /// <param name="work">Reports through the object that it is given, from any thread.</param>
    public static T Show<T>(ToolRun run, string title, Func<IProgress<WorkState>, T> work)
    {
        if (!run.Console.IsErrorTerminal) return run.IsJson ? work(new Listener(_ => { })) : ShowLines(run, title, work);
        var width = run.Console.ErrorAnsi.Profile.Width;
        var hasBar = width >= 72;
        ProgressColumn[] columns = [new TaskDescriptionColumn { Alignment = Justify.Left }, .. hasBar ? [new ProgressBarColumn { Width = BarWidth }] : Array.Empty<ProgressColumn>(), new PercentageColumn()];
        // A space between columns, and 100%.
        var room = width - (hasBar ? BarWidth + 1 : 0) - 6;
        return run.Console.ErrorAnsi.Progress()
            .HideCompleted(false)
            .Columns(columns)
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title));
                return work(new Listener(state =>
                {
                    task.MaxValue = state.Total;
                    task.Value = state.Done;
                    task.Description = Markup.Escape(Describe(title, state, room));
                }));
            });
    }

    private static T ShowLines<T>(ToolRun run, string title, Func<IProgress<WorkState>, T> work)
    {
        var sinceLast = Stopwatch.StartNew();
        var interval = TimeSpan.Zero;
        return work(new Listener(state =>
        {
            if (state.Done < state.Total && sinceLast.Elapsed < interval) return;
            // The first unit that is done is told at once, too.
            if (state.Done > 0) interval = interval == TimeSpan.Zero ? FirstInterval : TimeSpan.FromTicks(Math.Min(LongestInterval.Ticks, interval.Ticks * 5 / 4));
            sinceLast.Restart();
            run.Note($"{title}: {state.Done:0}/{state.Total:0}  {WithRemaining(state.Detail + state.More, state)}".TrimEnd());
        }));
    }

    /// <summary>What a live line says in the room it has, which a wrapped one would leave: the numbers, then the time left, then the name alone.</summary>
    internal static string Describe(string title, WorkState state, int room)
    {
        string[] texts = [$"{title}  {WithRemaining(state.Detail, state)}", $"{title}  {state.Detail}", WithRemaining(title, state), title];
        return (Array.Find(texts, text => text.TrimEnd().GetCellWidth() <= room) ?? title).TrimEnd();
    }

    private static string WithRemaining(string text, WorkState state) =>
        state.Remaining is { } left && left > TimeSpan.Zero ? $"{text}  {Format(left)} left" : text;

    private static string Format(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours} h {time.Minutes:00} min" : time.TotalMinutes >= 1 ? $"{time.Minutes} min {time.Seconds:00} s" : $"{time.TotalSeconds:0} s";

    // Progress<T> would post to the thread pool, out of order and after the end.
    private sealed class Listener(Action<WorkState> report) : IProgress<WorkState>
    {
        private readonly Lock _lock = new();

        public void Report(WorkState value)
        {
            lock (_lock) report(value);
        }
    }
}
