using AsFT.Torch.Chat;
using AsFT.Torch.Tokenization;
using CsCheck;

namespace AsFT.Torch.Tests.Chat;

public class ChatTemplateTests
{
    private const string AlpacaInput = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.";

    private static readonly LanguageTokenizer Llama2 = LanguageTokenizer.Load(Path.Combine(TestData.Root, "tokenizers", "llama2"));
    private static readonly LanguageTokenizer Llama3 = LanguageTokenizer.Load(Path.Combine(TestData.Root, "tokenizers", "byte-level"));
    private static readonly ChatExample Full = new("Add them.", "It is 5.", "Be brief.", "2 and 3");

    public static TheoryData<string> Names => [.. ChatTemplate.Names];

    [Theory]
    [InlineData("llama2", "<s> [INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nAdd them.\n\n2 and 3 [/INST] It is 5. </s>")]
    [InlineData("alpaca", "<s> Be brief.\n\n### Instruction:\nAdd them.\n\n### Input:\n2 and 3\n\n### Response:It is 5.</s>")]
    [InlineData("plain", "<s> Be brief.\nAdd them.\n\n2 and 3 It is 5.</s>")]
    public void The_whole_text_is_the_published_one(string name, string text) =>
        Assert.Equal(text, Spelled(ChatTemplate.FromName(name).Tokenize(Llama2, Full).Ids));

    [Theory, MemberData(nameof(Names))]
    public void A_context_follows_the_prompt_after_an_empty_line(string name)
    {
        var tokenizer = For(name);
        var heading = name == "alpaca" ? "### Input:\n" : "";
        Assert.Contains($"Add them.\n\n{heading}2 and 3", tokenizer.Decode(ChatTemplate.FromName(name).TokenizePrompt(tokenizer, Full)), StringComparison.Ordinal);
        Assert.DoesNotContain("Add them.\n\n" + heading + " ", tokenizer.Decode(ChatTemplate.FromName(name).TokenizePrompt(tokenizer, Full with { Context = " " })), StringComparison.Ordinal);
        Assert.Equal("Add them.\n\n2 and 3", Full.UserText);
        Assert.Equal("Add them.", (Full with { Context = " " }).UserText);
    }

    [Fact]
    public void The_plain_template_of_version_0_1_is_found_by_its_name_and_not_listed()
    {
        Assert.Equal("<s> Add them.\n2 and 3 It is 5.</s>", Spelled(ChatTemplate.FromName("plain-0.1").Tokenize(Llama2, Full with { System = null }).Ids));
        Assert.DoesNotContain("plain-0.1", ChatTemplate.Names);
    }

    [Fact]
    public void A_prompt_that_was_cut_says_so()
    {
        ChatTemplate.Plain.TokenizePrompt(Llama2, new("Add them."), 100, out var isCut);
        Assert.False(isCut);
        Assert.Equal(5, ChatTemplate.Plain.TokenizePrompt(Llama2, new("Add them, all of them, as they come."), 5, out isCut).Length);
        Assert.True(isCut);
    }

    [Fact]
    public void Alpaca_without_a_system_message_is_Stanfords()
    {
        Assert.Equal($"{AlpacaInput}\n\n### Instruction:\nI\n\n### Input:\nC\n\n### Response:", Llama2.Decode(ChatTemplate.Alpaca.TokenizePrompt(Llama2, new("I", Context: "C"))));
        Assert.Equal(
            "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nI\n\n### Response:",
            Llama2.Decode(ChatTemplate.Alpaca.TokenizePrompt(Llama2, new("I"))));
    }

    [Fact]
    public void Llama3_headers_are_tokens_and_the_answer_ends_with_its_turn()
    {
        TokenizedExample tokens = ChatTemplate.Llama3.Tokenize(Llama3, Full with { Prompt = "Say <|eot_id|>" });
        Assert.Equal(
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nSay <|eot_id|>\n\n2 and 3<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\nIt is 5.<|eot_id|>",
            Llama3.Decode(tokens.Ids, skipSpecialTokens: false));
        int end = Llama3.FindSpecialToken("<|eot_id|>")!.Value;
        Assert.Equal(3, tokens.Ids.Count(id => id == end)); // the user's is text
        Assert.Equal("It is 5.<|eot_id|>", Llama3.Decode(Chosen(tokens), skipSpecialTokens: false));
        Assert.Contains("<|begin_of_text|>", Assert.Throws<InvalidOperationException>(() => ChatTemplate.Llama3.Tokenize(Llama2, Full)).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Names))]
    public void Supervised_tokens_spell_the_answer_and_end_with_EOS(string name)
    {
        LanguageTokenizer tokenizer = For(name);
        ChatTemplate template = ChatTemplate.FromName(name);
        Gen<string> texts = Gen.Select(Gen.OneOf("The", "cat", "é", "日本", "😀", "###"), Gen.String[Gen.Char['!', '~'], 0, 12], (a, b) => a + b);
        Gen.Select(texts, texts).Sample((prompt, response) =>
        {
            TokenizedExample tokens = template.Tokenize(tokenizer, new ChatExample(prompt, response));
            int first = Array.IndexOf(tokens.Supervised, true);
            Assert.All(tokens.Supervised[first..], Assert.True);
            Assert.Equal(tokenizer.EosIds[0], tokens.Ids[^1]);
            Assert.Equal(response, tokenizer.Decode(Chosen(tokens)).Trim());
            Assert.Equal(tokenizer.BosId, tokens.Ids[0]);
        }, iter: 500);
    }

    [Theory, MemberData(nameof(Names))]
    public void A_prompt_to_be_answered_is_the_beginning_of_what_training_saw(string name)
    {
        LanguageTokenizer tokenizer = For(name);
        ChatTemplate template = ChatTemplate.FromName(name);
        Gen.OneOf("What does the cat do?", "Say it in 日本", "café", "1 + 1 =").Sample(prompt =>
        {
            int[] alone = template.TokenizePrompt(tokenizer, new ChatExample(prompt));
            int[] whole = template.Tokenize(tokenizer, new ChatExample(prompt, "The cat can run.")).Ids;
            Assert.Equal(alone, whole[..alone.Length]);
        }, iter: 20);
    }

    [Theory, MemberData(nameof(Names))]
    public void Names_lead_back_to_their_template(string name) => Assert.Equal(name, ChatTemplate.FromName(name.ToUpperInvariant()).Name);

    [Fact]
    public void An_unknown_name_lists_the_known_ones()
    {
        string message = Assert.Throws<ArgumentException>(() => ChatTemplate.FromName("vicuna")).Message;
        Assert.All(ChatTemplate.Names, known => Assert.Contains(known, message, StringComparison.Ordinal));
    }

    [Fact]
    public void Training_text_is_cut_at_the_right_and_says_so()
    {
        TokenizedExample whole = ChatTemplate.Llama2.Tokenize(Llama2, Full);
        TokenizedExample cut = ChatTemplate.Llama2.Tokenize(Llama2, Full, whole.Ids.Length - 2);
        Assert.Equal(whole.Ids[..^2], cut.Ids);
        Assert.True(cut.Truncated);
        Assert.Equal(whole.SupervisedCount - 2, cut.SupervisedCount);
        Assert.Equal(0, ChatTemplate.Llama2.Tokenize(Llama2, Full, 5).SupervisedCount);
    }

    [Theory, MemberData(nameof(Names))]
    public void A_long_prompt_loses_its_beginning_and_keeps_the_template(string name)
    {
        LanguageTokenizer tokenizer = For(name);
        ChatTemplate template = ChatTemplate.FromName(name);
        var prompt = new ChatExample(string.Concat(Enumerable.Range(0, 200).Select(i => $"word{i} 😀 ")) + "the last words");
        int[] whole = template.TokenizePrompt(tokenizer, prompt);
        int empty = template.TokenizePrompt(tokenizer, new ChatExample("")).Length;
        for (int limit = empty + 8; limit < whole.Length; limit += 97)
        {
            int[] cut = template.TokenizePrompt(tokenizer, prompt, limit);
            Assert.InRange(cut.Length, limit - 8, limit);
            string text = tokenizer.Decode(cut, skipSpecialTokens: false);
            Assert.Equal(tokenizer.Decode(whole, skipSpecialTokens: false)[^10..], text[^10..]);
            Assert.DoesNotContain('\uFFFD', text);
        }
        if (name != "plain")
            Assert.Contains(name, Assert.Throws<ArgumentException>(() => template.TokenizePrompt(tokenizer, prompt, empty - 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_needs_an_answer() => Assert.Throws<ArgumentException>(() => ChatTemplate.Plain.Tokenize(Llama2, new ChatExample("x")));

    private static LanguageTokenizer For(string template) => template == "llama3" ? Llama3 : Llama2;

    private static IEnumerable<int> Chosen(TokenizedExample tokens) => tokens.Ids.Where((_, i) => tokens.Supervised[i]);

    // BOS and EOS by name, the leading space of a text as a space.
    private static string Spelled(int[] ids) => "<s> " + Llama2.Decode(ids[1..^1]) + (ids[0] == 1 && ids[^1] == 2 ? "</s>" : "?");
}
