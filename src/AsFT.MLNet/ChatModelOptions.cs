using System.Text.Json.Serialization;
using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Safety.Judges;
using Microsoft.Extensions.AI;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet;

/// <summary>
/// Judge: a chat model behind any <see cref="IChatClient"/>, see <see cref="ChatModelJudge"/>. A client cannot be saved: a saved
/// pipeline keeps all other options, and is loaded with <see cref="AsftLoadOptions.ChatClient"/>; without that it loads, and says
/// so when scores are read.
/// </summary>
public sealed partial class ChatModelOptions : HarmfulnessJudgeOptions
{
    /// <summary>The chat model. Required, except on loading.</summary>
    [JsonIgnore]
    public IChatClient? Client { get; set; }

    /// <summary>Whether the transformer disposes the client with itself.</summary>
    [JsonIgnore]
    public bool OwnsClient { get; set; }

    /// <summary>Whether a failed request is worth a retry, see <see cref="ChatJudgeOptions.IsTransient"/>. Not saved.</summary>
    [JsonIgnore]
    public Func<Exception, bool>? IsTransient { get => Settings.IsTransient; set => Settings = Settings with { IsTransient = value }; }

    /// <summary>How the model is asked; each of its options that can be saved is one of this class.</summary>
    [Flat(nameof(ChatJudgeOptions.IsTransient), nameof(ChatJudgeOptions.Time))]
    internal ChatJudgeOptions Settings { get; set; } = new();

    internal override double? HarmfulAbove => Threshold;

    internal override string? JudgeName => "chat-model";

    internal override void Validate() => Settings.Validate();

    internal override JudgeSource Source(IHostEnvironment environment)
    {
        var client = Client ?? throw OptionsCheck.Wrong(nameof(Client), "Client is not set; it is the chat model that is asked.");
        return new JudgeSource([.. Categories], () => new ChatModelJudge(client, Settings, OwnsClient)) { OwnsUnmade = OwnsClient };
    }
}
