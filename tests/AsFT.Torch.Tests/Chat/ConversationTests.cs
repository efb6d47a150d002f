using AsFT.Torch.Chat;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Chat;

/// <summary>Rows of files in every layout, and what no conversation is.</summary>
public sealed class ConversationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}""")]
    [InlineData("""{"conversations":[{"from":"system","value":"s"},{"from":"human","value":"a"},{"from":"gpt","value":"b"},{"from":"human","value":"c"},{"from":"gpt","value":"d"}]}""")]
    [InlineData("""{"id":7,"system":"s","conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"},{"from":"human","value":"c"},{"from":"gpt","value":"d"}],"tools":[]}""")]
    [InlineData("""{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"completion":[{"role":"assistant","content":"d"}]}""")]
    [InlineData("""{"messages":[{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"user","content":[{"type":"text","text":"a"}],"name":"x"},{"role":"assistant","content":"b","tool_calls":null,"weight":1},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}""")]
    public void Every_layout_of_conversations_gives_the_same_turns(string record)
    {
        var row = Assert.Single(Read(record));
        Assert.Equal(["system: s", "user: a", "assistant: b", "user: c", "assistant: d"], Turns(row));
        Assert.Equal(("c", "d", "s"), (row.Example!.Prompt, row.Example.Response, row.Example.System));
        Assert.Equal(Turns(row), Turns(Conversation.Parse(Conversation.Write(row.Example), "x")));
    }

    [Theory]
    [InlineData("""{"instruction":"a","input":"b","output":"c"}""", "user: a\n\nb", "assistant: c")]
    [InlineData("""{"instruction":"a","output":"c","messages":"of no weight here"}""", "user: a", "assistant: c")]
    [InlineData("""{"prompt":"a","response":"c"}""", "user: a", "assistant: c")]
    [InlineData("""{"prompt":"a","completion":"c"}""", "user: a", "assistant: c")]
    [InlineData("""{"question":"a","answer":"c"}""", "user: a", "assistant: c")]
    [InlineData("""{"goal":"a","target":"c"}""", "user: a", "assistant: c")]
    public void Rows_of_one_question_are_known_by_their_first_record(string record, params string[] turns) => Assert.Equal(turns, Turns(Assert.Single(Read(record))));

    [Fact]
    public void A_system_message_may_stand_anywhere()
    {
        var row = Conversation.Parse("""[{"role":"user","content":"a"},{"role":"system","content":"s"},{"role":"assistant","content":"b"},{"role":"system","content":"t"},{"role":"user","content":"c"},{"role":"system","content":"u"}]""", "x");
        Assert.Equal(["user: a", "system: s", "assistant: b", "system: t", "user: c", "system: u"], Turns(row));
        Assert.Null(row.Example!.Response);
    }

    [Theory]
    [InlineData("[]", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("""[{"role":"assistant","content":"b"}]""", "no turn of the user")]
    [InlineData("""[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":1}]}]""", "turn 2 calls tools")]
    [InlineData("""[{"role":"user","content":"a"},{"role":"tool","content":"b"}]""", "turn 2 is one of a tool ('tool')")]
    [InlineData("""[{"from":"human","value":"a"},{"from":"function_call","value":"b"}]""", "turn 2 is one of a tool ('function_call')")]
    [InlineData("""[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]""", "turn 1 has other parts than text")]
    [InlineData("""[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"c"}]""", "'reasoning_content'")]
    [InlineData("""[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0}]""", "weight 0")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"tools":[{"name":"f"}]}""", "offers tools")]
    public void What_cannot_be_learnt_is_left_out_and_says_why(string json, string why)
    {
        var row = Conversation.Parse(json, "x");
        Assert.Null(row.Example);
        Assert.Contains(why, row.Unusable, StringComparison.Ordinal);
        var sieve = new RowSieve(OverlongRows.Truncate, isStrict: false, "the rows");
        Assert.Null(sieve.TakeRow(row, _ => throw new InvalidOperationException()));
        Assert.Equal((1, 1, 1), (sieve.Counts.Read, sieve.Counts.Unusable, sieve.Counts.Skipped));
        Assert.Contains(why, sieve.Counts.ToString(), StringComparison.Ordinal);
        Assert.Contains(why, Assert.Throws<InvalidDataException>(() => new RowSieve(OverlongRows.Truncate, isStrict: true, "the rows").TakeRow(row, _ => throw new InvalidOperationException())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "no conversation in JSON")]
    [InlineData("\"a\"", "the conversation is a text")]
    [InlineData("[1]", "turn 1 is a number")]
    [InlineData("""[{"content":"a"}]""", "turn 1 has no text in 'role'")]
    [InlineData("""[{"role":"bot","content":"a"}]""", "turn 1 is said by 'bot'; known are system, user, human, assistant, gpt")]
    [InlineData("""[{"role":"user","content":7}]""", "turn 1 has no text in 'content'")]
    [InlineData("""[{"from":"human","content":"a"}]""", "turn 1 has no text in 'value'")]
    [InlineData("""[{"role":"user","content":"a","role":"user"}]""", "no conversation in JSON")]
    [InlineData("""{"messages":{}}""", "field 'messages' is an object")]
    [InlineData("""{"text":"a"}""", "no field messages or conversations")]
    [InlineData("""{"messages":[{"role":"user","content":"a"}],"conversations":[{"from":"human","value":"a"}]}""", "both fields messages and conversations")]
    [InlineData("""{"system":"s","messages":[{"role":"system","content":"t"},{"role":"user","content":"a"}]}""", "a field 'system' beside")]
    [InlineData("[{\"role\":\"user\",\"content\":\"\\ud800\"}]", "half of a surrogate pair")]
    public void What_is_no_conversation_is_an_error_that_names_its_place(string json, string what)
    {
        var message = Assert.Throws<InvalidDataException>(() => Conversation.Parse(json, "Row 3, column 'Messages'")).Message;
        Assert.Contains("Row 3, column 'Messages'", message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_record_is_named_with_file_and_line()
    {
        const string Good = """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}""";
        Assert.Contains("line 2: turn 1 is said by 'x'", Assert.Throws<InvalidDataException>(() => Read(Good, """{"messages":[{"role":"x","content":"a"}]}""")).Message, StringComparison.Ordinal);
        Assert.Contains("line 2: the record has no field messages", Assert.Throws<InvalidDataException>(() => Read(Good, """{"instruction":"a","output":"b"}""")).Message, StringComparison.Ordinal);
        Assert.Contains("line 2: the record has no field 'prompt'", Assert.Throws<InvalidDataException>(() => Read("""{"prompt":"a","response":"b"}""", Good)).Message, StringComparison.Ordinal);
        Assert.Contains("both fields 'context' and 'input'", Assert.Throws<InvalidDataException>(() => Read("""{"prompt":"a","response":"b"}""", """{"prompt":"a","context":"x","response":"b","input":"y"}""")).Message, StringComparison.Ordinal);
    }

    private List<ConversationRow> Read(params string[] records)
    {
        File.WriteAllLines(_folder["rows.jsonl"], records);
        using var reader = new RowReader(_folder["rows.jsonl"], RowFields.Of(_folder["rows.jsonl"], responseIsOptional: false));
        var rows = new List<ConversationRow>();
        while (reader.MoveNext()) rows.Add(reader.Row);
        return rows;
    }

    private static IEnumerable<string> Turns(ConversationRow row) => row.Example!.Messages().Select(message => $"{message.Role}: {message.Content}");
}
