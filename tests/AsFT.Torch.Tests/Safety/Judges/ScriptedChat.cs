using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace AsFT.Torch.Tests.Safety.Judges;

/// <summary>A chat client that answers from a script and keeps what it was asked.</summary>
internal sealed partial class ScriptedChat(Func<int, string, CancellationToken, Task<ChatResponse>> script) : IChatClient
{
    private int _calls, _running, _mostRunning;

    public List<IReadOnlyList<ChatMessage>> Asked { get; } = [];

    public int MostRunning => _mostRunning;

    public bool IsDisposed { get; private set; }

    /// <summary>Answers call n (from 0) with a text made from the request's id.</summary>
    public static ScriptedChat Saying(Func<int, string, string> text) => new((call, id, _) => Task.FromResult(Reply(text(call, id))));

    public static ChatResponse Reply(string text) =>
        new(new ChatMessage(ChatRole.Assistant, text)) { Usage = new UsageDetails { InputTokenCount = 100, OutputTokenCount = 10 } };

    public static string Verdict(string id, bool harmful, string scores) => $$"""{"id":"{{id}}","harmful":{{(harmful ? "true" : "false")}},"scores":{{scores}}}""";

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var asked = messages.ToList();
        var id = Id().Match(asked[^1].Text).Groups[1].Value;
        int call;
        lock (Asked)
        {
            Asked.Add(asked);
            call = _calls++;
            _mostRunning = Math.Max(_mostRunning, ++_running);
        }
        try
        {
            return await script(call, id, cancellationToken);
        }
        finally
        {
            lock (Asked) _running--;
        }
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose() => IsDisposed = true;

    [GeneratedRegex("with \"id\": \"([0-9a-f]{16})\"")]
    private static partial Regex Id();
}

/// <summary>A clock on which waits up to a limit pass at once, and longer ones never.</summary>
internal sealed class HastyTime(TimeSpan limit) : TimeProvider
{
    public List<TimeSpan> Waits { get; } = [];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime > limit || dueTime < TimeSpan.Zero) return new Timer();
        lock (Waits) Waits.Add(dueTime);
        ThreadPool.QueueUserWorkItem(_ => callback(state));
        return new Timer();
    }

    private sealed class Timer : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
