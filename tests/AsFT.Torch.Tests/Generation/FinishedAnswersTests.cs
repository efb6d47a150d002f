using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Generation;

public sealed class FinishedAnswersTests
{
    [Fact]
    public void Every_answer_is_told_once_as_it_ends_the_first_batch_first()
    {
        using var model = CausalLanguageModel.Load(TestData.Model("models/stories260K"), ComputePlacement.Resolve("cpu", "float32"));
        var tokenizer = LanguageTokenizer.Load(TestData.Model("models/stories260K"));
        var generator = new TextGenerator(model, tokenizer);
        // The shortest come first, where batches of like length would begin with the longest.
        int[][] prompts = [[1, 403], [1, 403, 407], [1, 403, 407, 261], [1, 403, 407, 261, 378]];
        var options = new GenerationOptions { MaxNewTokens = 6, BatchSize = 2 };
        List<(int Index, string Text)> told = [];
        var answers = generator.Generate(prompts, options, (i, answer) => told.Add((i, answer.Text)), TestContext.Current.CancellationToken);
        Assert.Equal([0, 1], told.Take(2).Select(one => one.Index).Order());
        Assert.Equal(answers.Select(answer => answer.Text), told.OrderBy(one => one.Index).Select(one => one.Text));
        Assert.Equal(generator.Generate(prompts, options, TestContext.Current.CancellationToken).Select(answer => answer.Text), answers.Select(answer => answer.Text));
    }
}
