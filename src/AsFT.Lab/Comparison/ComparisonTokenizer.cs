using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.Comparison;

/// <summary>How examples and prompts become tokens, for every run of a comparison the same. May be used from several threads.</summary>
internal sealed class ComparisonTokenizer
{
    private readonly int _positions;
    private readonly int _maxLength;
    private readonly SupervisedTurns _supervised;

    public ComparisonTokenizer(ComparisonConfig config)
    {
        Template = ChatTemplates.Load(config.Aligned, config.Template);
        Tokenizer = LanguageTokenizer.Load(config.Aligned);
        _positions = ModelConfigReader.Load(config.Aligned).MaxPositions;
        _maxLength = config.MaxLength ?? _positions;
        _supervised = config.SupervisedTurns;
        if (_maxLength > _positions) throw new ArgumentException($"maxLength is {_maxLength}; '{config.Aligned}' has {_positions} positions.");
    }

    public ChatTemplate Template { get; }

    public LanguageTokenizer Tokenizer { get; }

    public TokenizedExample Tokenize(ChatExample example) => Template.Tokenize(Tokenizer, example with { Supervised = _supervised }, _maxLength);

    /// <summary>Whether the model can be asked it.</summary>
    public bool CanAsk(ChatExample prompt) => Template.TokenizePrompt(Tokenizer, prompt).Length <= _positions;
}
