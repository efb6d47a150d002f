using System.Text.Json;
using AsFT.Torch.Chat;
using AsFT.Torch.Tests.Models.Families;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Chat;

/// <summary>Tokenizers and chat templates of every family of checkpoints, against what transformers makes of them.</summary>
[Trait("Category", "Goldens")]
public sealed class FamilyChatGoldenTests
{
    [Theory]
    [MemberData(nameof(FamilyFolder.Names), MemberType = typeof(FamilyFolder))]
    public void Probes_have_the_ids_and_texts_of_the_Rust_library(string family)
    {
        using var folder = FamilyFolder.Open(family);
        var tokenizer = LanguageTokenizer.Load(folder["aligned"]);
        foreach (var probe in folder.Golden.GetProperty("probes").EnumerateArray())
        {
            Assert.Equal(Ints(probe.GetProperty("ids_without_special")), WithSpecialTokens(tokenizer, probe.GetProperty("text").GetString()!));
            Assert.Equal(probe.GetProperty("decoded").GetString(), tokenizer.Decode(Ints(probe.GetProperty("ids_without_special")), skipSpecialTokens: false));
        }
    }

    [Theory]
    [MemberData(nameof(FamilyFolder.Names), MemberType = typeof(FamilyFolder))]
    public void Conversations_have_the_ids_and_the_supervised_tokens_of_transformers(string family)
    {
        using var folder = FamilyFolder.Open(family);
        var tokenizer = LanguageTokenizer.Load(folder["aligned"]);
        var template = ChatTemplates.Load(folder["aligned"]);
        foreach (var chat in folder.Golden.GetProperty("chat").EnumerateArray())
        {
            var messages = chat.GetProperty("messages").EnumerateArray().Select(message => new ChatMessage(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!)).ToArray();
            var example = Example(messages);
            Assert.Equal(messages, example.Messages());
            var tokens = template.Tokenize(tokenizer, example);
            Assert.Equal(Ints(chat.GetProperty("ids")), tokens.Ids);
            Assert.Equal(chat.GetProperty("text").GetString(), ((CheckpointTemplate)template).Render(messages, addGenerationPrompt: false).Text);
            Assert.Equal(chat.GetProperty("prompt").GetString(), ((CheckpointTemplate)template).Render([.. messages.SkipLast(1)], addGenerationPrompt: true).Text);
            if (chat.TryGetProperty("supervised", out var supervised) && supervised.ValueKind == JsonValueKind.Array)
                Assert.Equal(Ints(supervised).Select(flag => flag == 1), tokens.Supervised);

            // What is learnt is each answer and the token that ends it.
            var learnt = tokenizer.Decode(tokens.Ids.Zip(tokens.Supervised).Where(token => token.Second).Select(token => token.First));
            foreach (var answer in messages.Where(message => message.Role == ChatMessage.AssistantRole)) Assert.Contains(answer.Content.Trim(), learnt, StringComparison.Ordinal);
            foreach (var question in messages.Where(message => message.Role != ChatMessage.AssistantRole)) Assert.DoesNotContain(question.Content.Trim(), learnt, StringComparison.Ordinal);
            var ends = Enumerable.Range(0, tokens.Ids.Length).Where(i => tokens.Supervised[i] && (i + 1 == tokens.Ids.Length || !tokens.Supervised[i + 1])).Select(i => tokens.Ids[i]).ToArray();
            Assert.Equal(messages.Count(message => message.Role == ChatMessage.AssistantRole), ends.Length);
            Assert.All(ends, end => Assert.Contains(tokenizer.AllSpecialTokens, token => token.Id == end));
        }
    }

    // transformers lets a text write special tokens, which ours do not; so they are placed here.
    private static List<int> WithSpecialTokens(LanguageTokenizer tokenizer, string text)
    {
        var ids = new List<int>();
        var symbols = new UserDefinedSymbols(tokenizer.AllSpecialTokens.Select(token => token.Text));
        var start = 0;
        for (var i = 0; i <= text.Length;)
        {
            var length = i < text.Length ? symbols.MatchAt(text, i) : 0;
            if (length == 0 && i < text.Length)
            {
                i++;
                continue;
            }
            if (i > start) ids.AddRange(tokenizer.Encode(text[start..i], isStart: start == 0, out _));
            if (i == text.Length) break;
            ids.Add(tokenizer.FindSpecialToken(text.Substring(i, length))!.Value);
            start = i += length;
        }
        return ids;
    }

    private static ChatExample Example(ChatMessage[] messages)
    {
        var system = messages[0].Role == ChatMessage.SystemRole ? messages[0].Content : null;
        return new(messages[^2].Content, messages[^1].Content, system) { Earlier = messages[(system is null ? 0 : 1)..^2] };
    }

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(item => item.ValueKind is JsonValueKind.True or JsonValueKind.False ? (item.GetBoolean() ? 1 : 0) : item.GetInt32())];
}
