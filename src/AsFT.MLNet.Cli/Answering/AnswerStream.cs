using AsFT.MLNet.Cli.Evaluation;
using AsFT.Torch.Chat;

namespace AsFT.MLNet.Cli.Answering;

/// <summary>Hands answers out in their prompts' order as they come: to the console, or as JSON lines to a file. What was handed out stays when the run is stopped.</summary>
/// <param name="run">The invocation.</param>
/// <param name="prompts">What is asked.</param>
/// <param name="path">The file; null: the console.</param>
internal sealed class AnswerStream(ToolRun run, IReadOnlyList<ChatExample> prompts, string? path) : IDisposable
{
    private readonly string?[] _answers = new string?[prompts.Count];
    private StreamWriter? _file;
    private int _next;

    /// <summary>Answers handed out.</summary>
    public int Count { get; private set; }

    /// <summary>Takes an answer.</summary>
    /// <param name="index">Place of its prompt.</param>
    /// <param name="answer">The answer.</param>
    public void Add(int index, string answer)
    {
        _answers[index] = answer;
        for (; _next < _answers.Length && _answers[_next] is { } text; _next++) Write(_next, text);
    }

    /// <summary>No more answers come: hands out those that waited for one before them.</summary>
    private void Complete()
    {
        for (; _next < _answers.Length; _next++)
            if (_answers[_next] is { } text) Write(_next, text);
    }

    /// <summary>What is said of a run that was stopped: the answers that were finished are kept.</summary>
    public StoppedException Stopped(OperationCanceledException e)
    {
        Complete();
        return new StoppedException($"cancelled; {Count} of {prompts.Count} answers were finished{(Count > 0 && path is not null ? $" and are in '{path}'" : "")}.", e);
    }

    public void Dispose() => _file?.Dispose();

    private void Write(int index, string answer)
    {
        if (path is not null)
        {
            _file ??= Open(path);
            _file.WriteLine(AnswersFile.Line(prompts[index], answer));
        }
        else
        {
            if (prompts.Count > 1) run.Say($"{(Count > 0 ? Environment.NewLine : "")}> {prompts[index].Prompt}");
            run.Say(answer);
        }
        Count++;
    }

    // Not before there is something to write: an older file stays when a run fails. Readers may look on.
    private static StreamWriter Open(string path) => new(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
}
