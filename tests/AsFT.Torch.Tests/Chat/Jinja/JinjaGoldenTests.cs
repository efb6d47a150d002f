using System.Text.Json;
using AsFT.Torch.Chat.Jinja;

namespace AsFT.Torch.Tests.Chat.Jinja;

/// <summary>What Python's jinja2 makes of real chat templates and of small language tests; where the folder of ASFT_REFERENCE holds them.</summary>
[Trait("Category", "Goldens")]
public sealed class JinjaGoldenTests
{
    private static readonly DateTime Now = new(2025, 7, 10, 0, 0, 0, DateTimeKind.Unspecified);

    [Fact]
    public void Small_language_tests_render_as_in_Python()
    {
        using var document = Reference.Json("real", "goldens", "chat", "jinja_language.json");
        var wrong = new List<string>();
        var count = 0;
        foreach (var test in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            count++;
            var rendered = Render(() => JinjaTemplate.Parse(test.GetProperty("template").GetString()!, isChat: false), test.GetProperty("context"));
            var expected = test.GetProperty("python").GetString();
            if (expected is null ? rendered.Error is null : rendered.Text != expected)
                wrong.Add($"{test.GetProperty("name")}: {rendered.Text ?? rendered.Error} instead of {expected ?? test.GetProperty("python_error").ToString()}");
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count} differ:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Real_templates_render_conversations_as_in_Python()
    {
        using var document = Reference.Json("real", "goldens", "chat", "cases.json");
        var templates = document.RootElement.GetProperty("templates");
        var wrong = new List<string>();
        var count = 0;
        foreach (var test in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            count++;
            var template = templates.GetProperty(test.GetProperty("template").GetString()!);
            var rendered = Render(() => JinjaTemplate.Parse(template.GetProperty("template").GetString()!), new Dictionary<string, object?>
            {
                ["messages"] = JinjaValues.Of(test.GetProperty("messages")),
                ["add_generation_prompt"] = test.GetProperty("add_generation_prompt").GetBoolean(),
                ["bos_token"] = JinjaValues.Of(template.GetProperty("bos_token")),
                ["eos_token"] = JinjaValues.Of(template.GetProperty("eos_token")),
            });
            Compare(wrong, $"{test.GetProperty("template")} / {test.GetProperty("conversation")}", rendered, test.GetProperty("rendered").GetString(), test.GetProperty("error").GetString());
        }
        foreach (var test in document.RootElement.GetProperty("upstream_cases").EnumerateArray())
        {
            count++;
            var template = templates.GetProperty(test.GetProperty("template").GetString()!);
            var rendered = Render(() => JinjaTemplate.Parse(template.GetProperty("template").GetString()!), test.GetProperty("context"));
            Compare(wrong, $"{test.GetProperty("template")} with its own context", rendered, test.GetProperty("rendered").GetString(), null);
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count} differ:\n{string.Join('\n', wrong.Take(20))}");
    }

    private static void Compare(List<string> wrong, string name, (string? Text, string? Error) rendered, string? text, string? error)
    {
        if (error is null ? rendered.Text == text : rendered.Error is not null && rendered.Error.EndsWith(error[(error.IndexOf(": ", StringComparison.Ordinal) + 2)..], StringComparison.Ordinal)) return;
        wrong.Add($"{name}:\n    {JsonSerializer.Serialize(rendered.Text ?? rendered.Error)}\n    instead of {JsonSerializer.Serialize(text ?? error)}");
    }

    private static (string? Text, string? Error) Render(Func<JinjaTemplate> template, JsonElement context) =>
        Render(template, context.EnumerateObject().ToDictionary(field => field.Name, field => JinjaValues.Of(field.Value)));

    private static (string? Text, string? Error) Render(Func<JinjaTemplate> template, Dictionary<string, object?> context)
    {
        try
        {
            return (template().Render(context, Now).Text, null);
        }
        catch (JinjaException e)
        {
            return (null, e.Message);
        }
    }
}
