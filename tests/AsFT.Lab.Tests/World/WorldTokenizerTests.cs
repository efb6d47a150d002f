using System.Text.RegularExpressions;
using AsFT.Lab.World;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.Tests.World;

public sealed class WorldTokenizerTests
{
    [Fact]
    public void Every_word_of_the_world_is_one_token_that_reads_back()
    {
        var folder = Directory.CreateTempSubdirectory("asft-world-").FullName;
        try
        {
            var (tokens, merges) = WorldTokenizer.Learn(WorldData.AllTexts());
            WorldTokenizer.Save(folder, tokens, merges);
            var tokenizer = LanguageTokenizer.Load(folder);
            Assert.Equal(tokens.Count, tokenizer.VocabularySize);
            Assert.InRange(tokens.Count, 500, 1_300);
            Assert.Equal(1, tokenizer.BosId);
            Assert.Equal([2], tokenizer.EosIds);
            foreach (var text in WorldData.Alignment(200, 4).Select(e => $" {e.Prompt} {e.Response}"))
            {
                var ids = tokenizer.Encode(text);
                Assert.Equal(Regex.Count(text, WorldTokenizer.Pattern), ids.Count);
                Assert.Equal(text, tokenizer.Decode(ids));
            }
            // Text from outside the world takes more tokens, and none is lost.
            Assert.Equal(" Grüße, 世界! 12\n", tokenizer.Decode(tokenizer.Encode(" Grüße, 世界! 12\n")));
            Assert.DoesNotContain(tokenizer.Encode("</s> <s>"), id => id < 3);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_turn_of_chat_costs_two_tokens_of_template_and_one_space()
    {
        var folder = Directory.CreateTempSubdirectory("asft-world-").FullName;
        try
        {
            var (tokens, merges) = WorldTokenizer.Learn(WorldData.AllTexts());
            WorldTokenizer.Save(folder, tokens, merges);
            var tokenizer = LanguageTokenizer.Load(folder);
            var example = WorldData.TaskExamples(1, 1)[0];
            var words = Regex.Count($" {example.Prompt} {example.Response}", WorldTokenizer.Pattern);
            var tokenized = WorldBuilder.Template.Tokenize(tokenizer, example);
            Assert.Equal(words + 5, tokenized.Ids.Length); // BOS, [INST], [/INST], the space before EOS, EOS
            Assert.True(WorldData.Alignment(2_000, 1).Max(e => tokenizer.Encode(" " + e.Response).Count) < WorldBuilder.MaxAnswerTokens);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
