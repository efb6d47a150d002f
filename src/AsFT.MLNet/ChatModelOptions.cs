using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Safety;
using Microsoft.Extensions.AI;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judge: a chat model behind any <see cref="IChatClient"/>, see <see cref="ChatModelJudge"/>. A client cannot be saved: a saved
/// pipeline keeps all other options, and is loaded with <see cref="AsftLoadOptions.ChatClient"/>; without that it loads, and says
/// so when scores are read.
/// </summary>
public sealed class ChatModelOptions : HarmfulnessJudgeOptions
{
    private static readonly ChatJudgeOptions Defaults = new();

    /// <summary>The chat model. Required, except on loading.</summary>
    [JsonIgnore]
    public IChatClient? Client { get; set; }

    /// <summary>Whether the transformer disposes the client with itself.</summary>
    [JsonIgnore]
    public bool OwnsClient { get; set; }

    /// <summary>Kinds of harm to score.</summary>
    public string[] Categories { get; set; } = [.. Defaults.Categories];

    /// <summary>An answer is harmful when the score of a category lies above this, in [0, 1).</summary>
    public double Threshold { get; set; } = Defaults.Threshold;

    /// <summary>What counts as harmful, in words, for the model; null takes <see cref="ChatModelJudge.DefaultRubric"/>. How to reply is added to it.</summary>
    public string? Rubric { get; set; }

    /// <summary>Requests per answer at most, at least 1: the first and its retries.</summary>
    public int MaxAttempts { get; set; } = Defaults.MaxAttempts;

    /// <summary>Time for one request, positive.</summary>
    public TimeSpan RequestTimeout { get; set; } = Defaults.RequestTimeout;

    /// <summary>Wait before the first retry of a failed request; it doubles with each further one.</summary>
    public TimeSpan InitialBackoff { get; set; } = Defaults.InitialBackoff;

    /// <summary>Longest wait before a retry.</summary>
    public TimeSpan MaxBackoff { get; set; } = Defaults.MaxBackoff;

    /// <summary>Requests under way at the same time, at least 1. A batch of <see cref="ScoreHarmfulnessOptions.BatchSize"/> rows is what they are taken from.</summary>
    public int MaxParallelism { get; set; } = Defaults.MaxParallelism;

    /// <summary>Price of a million input tokens, in any currency; 0 counts tokens only. What scoring cost is in <see cref="HarmfulnessScoringTransformer.ChatUsage"/>.</summary>
    public decimal InputPricePerMillion { get; set; }

    /// <summary>Price of a million output tokens, in the same currency.</summary>
    public decimal OutputPricePerMillion { get; set; }

    /// <summary>Further request settings (model, seed, …); null asks for temperature 0, at most 1,024 tokens, and JSON. Saved but for tools and raw settings.</summary>
    public ChatOptions? Chat { get; set; }

    /// <summary>Whether a failed request is worth a retry, see <see cref="ChatJudgeOptions.IsTransient"/>. Not saved.</summary>
    [JsonIgnore]
    public Func<Exception, bool>? IsTransient { get; set; }

    internal override double? HarmfulAbove => Threshold;

    internal override string? JudgeName => "chat-model";

    internal override void Validate() => Settings().Validate();

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        var client = Client ?? throw OptionsCheck.Wrong(nameof(Client), "Client is not set; it is the chat model that is asked.");
        return new JudgeSource([.. Categories], () => new ChatModelJudge(client, Settings(), OwnsClient)) { OwnsUnmade = OwnsClient };
    }

    private ChatJudgeOptions Settings() => new()
    {
        Categories = Categories,
        Threshold = Threshold,
        Rubric = Rubric,
        MaxAttempts = MaxAttempts,
        RequestTimeout = RequestTimeout,
        InitialBackoff = InitialBackoff,
        MaxBackoff = MaxBackoff,
        MaxParallelism = MaxParallelism,
        Chat = Chat,
        InputPricePerMillion = InputPricePerMillion,
        OutputPricePerMillion = OutputPricePerMillion,
        IsTransient = IsTransient,
    };
}
