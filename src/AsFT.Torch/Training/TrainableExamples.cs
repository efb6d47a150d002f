using AsFT.Torch.Chat;
using AsFT.Torch.Models;

namespace AsFT.Torch.Training;

/// <summary>What can be trained on.</summary>
internal static class TrainableExamples
{
    /// <summary>Makes sure that a model can learn from examples.</summary>
    /// <exception cref="ArgumentException">There are none, or one of them cannot be trained on; names it.</exception>
    public static void Require(ModelConfig config, IReadOnlyList<TokenizedExample> examples, string name)
    {
        ArgumentNullException.ThrowIfNull(examples, name);
        if (examples.Count == 0) throw new ArgumentException("There are no examples.", name);
        for (var i = 0; i < examples.Count; i++)
        {
            var (ids, supervised) = (examples[i].Ids, examples[i].Supervised);
            if (ids.Length != supervised.Length)
                throw new ArgumentException($"Example {i} has {ids.Length} tokens but {supervised.Length} supervision marks.", name);
            if (ids.Length > config.MaxPositions)
                throw new ArgumentException($"Example {i} has {ids.Length} tokens; the model has {config.MaxPositions} positions. Cut it to a maximum length.", name);
            if (TrainingBatch.SupervisedCount(examples[i]) == 0)
                throw new ArgumentException($"Example {i} has no supervised token: its response is empty, or was cut off with the maximum length.", name);
            foreach (var id in ids)
                if (id < 0 || id >= config.VocabularySize)
                    throw new ArgumentException($"Example {i} has token {id}; the model knows 0 to {config.VocabularySize - 1}. Is it the right tokenizer?", name);
        }
    }
}
