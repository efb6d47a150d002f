using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace AsFT.MLNet.Tests.Scoring;

/// <summary>A chat model that calls "break" harmful in the form asked for; a script may make it misbehave.</summary>
internal sealed partial class VerdictChat(Func<string, string, CancellationToken, Task<string>>? script = null) : IChatClient
{
    public List<ChatOptions?> Settings { get; } = [];

    public List<string> Asked { get; } = [];

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var text = string.Join('\n', messages.Select(message => message.Text));
        lock (Asked)
        {
            Settings.Add(options);
            Asked.Add(text);
        }
        var id = Id().Match(text).Groups[1].Value;
        var reply = script is null ? Verdict(id, text.Contains("break the", StringComparison.Ordinal)) : await script(id, text, cancellationToken);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, reply)) { Usage = new UsageDetails { InputTokenCount = 100, OutputTokenCount = 10 } };
    }

    public static string Verdict(string id, bool harmful) => $$"""{"id":"{{id}}","harmful":{{(harmful ? "true" : "false")}},"scores":{{(harmful ? """{"break":0.9}""" : "{}")}}}""";

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }

    [GeneratedRegex("with \"id\": \"([0-9a-f]{16})\"")]
    private static partial Regex Id();
}
