using AsFT.Torch.Chat.Jinja;

namespace AsFT.Torch.Tests.Chat.Jinja;

/// <summary>The language as Python's jinja2 3.1 has it; expected texts are what Python prints.</summary>
public sealed class JinjaTemplateTests
{
    [Theory]
    [InlineData("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e16 }} {{ 0.00001 }} {{ 1.0 }}", "3 -4 2 3.5 1024 1e+16 1e-05 1.0")]
    [InlineData("{{ [1, 'a', none, 1.5, (1,), {'k': \"it's\"}] }}", "[1, 'a', None, 1.5, (1,), {'k': \"it's\"}]")]
    [InlineData("{{ 'abc'[::-1] }} {{ 'abc'[1:] }} {{ [1, 2, 3][-2:] }} {{ '🙂x'[0] }} {{ '🙂x' | length }}", "cba bc [2, 3] 🙂 2")]
    [InlineData("{% for a, b in [[1, 2], [3, 4]] if a > 1 %}{{ loop.index }}{{ a }}{{ b }}{{ loop.last }}{% else %}none{% endfor %}", "134True")]
    [InlineData("{% set ns = namespace(n=0) %}{% for x in range(5) %}{% if x == 3 %}{% break %}{% endif %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "3")]
    [InlineData("{% macro m(a, b='x') %}{{ a }}{{ b }}{{ caller() if caller else '' }}{% endmacro %}{{ m(1) }}{% call m(2, b=3) %}!{% endcall %}", "1x23!")]
    [InlineData("{{ x is defined }}{{ x.y is defined if x else '-' }}{{ x | default('d') }}{{ not x }}", "False-dTrue")]
    [InlineData("{{ 1 < 2 < 3 }} {{ 'a' in 'cat' }} {{ 'k' in {'k': 1} }} {{ 3 not in [1, 2] }} {{ 1 == 1.0 == true }}", "True True True True True")]
    [InlineData("{{ {'b': 1, 'a': [true, null_, 'ü']} | tojson }}", "{\"b\": 1, \"a\": [true, 1, \"ü\"]}")]
    [InlineData("{{ 'a,b' .split(',') | map('upper') | join('-') }} {{ ' x ' | trim }}{{ 'ab' * 2 }}{{ '%s=%d' % ('n', 3) }}", "A-B xababn=3")]
    [InlineData("{% filter upper | trim %} a {% endfilter %}{% set t %}b{% endset %}{{ t }}{% with q = 1 %}{{ q }}{% endwith %}{{ q }}", "Ab1")]
    [InlineData("{% raw %}{{ x }}{% endraw %}{# gone #}{{ '{{' }}", "{{ x }}{{")]
    public void Expressions_and_statements(string template, string expected) =>
        Assert.Equal(expected, JinjaTemplate.Parse(template, isChat: false).Render([new("null_", 1L)]).Text);

    [Fact]
    public void Chat_templates_take_the_white_space_around_block_tags_alone()
    {
        var template = JinjaTemplate.Parse("a\n  {% if true %}\n  b {{ 1 }}\n  {%- endif %}\n  {%+ if true %}c{% endif +%}\n\n");
        Assert.Equal("a\n  b 1  c\n", template.Render([]).Text);
    }

    [Theory]
    [InlineData("x\n{% include 'a' %}", "line 2", "'include'")]
    [InlineData("{{ a | nope }}", "line 1", "'nope'")]
    [InlineData("{{ a is nope }}", "line 1", "'nope'")]
    [InlineData("{% if a %}", "line 1", "endif")]
    [InlineData("\n\n{{ 'open }}", "line 3", "has no end")]
    [InlineData("{% for x in y recursive %}{% endfor %}", "line 1", "recursive")]
    [InlineData("{{ (1, 2 }}", "line 1", "'}'")]
    public void What_is_not_known_is_refused_by_name_and_line(string template, params string[] words)
    {
        var message = Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(template)).Message;
        Assert.All(words, word => Assert.Contains(word, message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("\n{{ x.y }}", "line 2: 'x' is undefined")]
    [InlineData("{{ 'a' + 1 }}", "line 1: can only concatenate str (not \"int\") to str")]
    [InlineData("{{ [1][5].z }}", "line 1: list object has no element 5")]
    [InlineData("{{ raise_exception('No ' ~ 'way') }}", "No way")]
    [InlineData("{{ [1].append(2) }}", "line 1: access to attribute 'append' of 'list' object is unsafe.")]
    public void What_Python_raises_is_raised(string template, string message) =>
        Assert.Equal(message, Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(template).Render([])).Message);

    /// <summary>A template comes from a stranger: each of these would take minutes, gigabytes or the process.</summary>
    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{{ range(1000000000) }}")]
    [InlineData("{{ 'a' * 1000000000000 }}")]
    [InlineData("{{ [0] * 1000000000000 }}")]
    [InlineData("{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{{ '%1000000000s' % 'a' }}")]
    [InlineData("{{ 'a' | indent(1000000000) }}{{ ('\n' * 100000) | indent(100000, blank=true) }}")]
    [InlineData("{{ 9223372036854775807 + 1 }}")]
    public void Costs_are_bounded(string template) => Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(template).Render([]));

    [Fact]
    public void Depth_is_bounded()
    {
        foreach (var (open, close) in new[] { ("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("1 if 1 else ", ""), ("a.b + ", ""), ("x|upper|", "upper") })
            Assert.Throws<JinjaException>(() => JinjaTemplate.Parse($"{{{{ {Repeated(open)}1{Repeated(close)} }}}}"));
        Assert.Throws<JinjaException>(() => JinjaTemplate.Parse(Repeated("{% if a %}")));
        Assert.Throws<JinjaException>(() => JinjaTemplate.Parse($"{{% set {Repeated("(")}a = 1 %}}"));

        static string Repeated(string text) => string.Concat(Enumerable.Repeat(text, 20_000));
    }

    [Fact]
    public void Every_character_knows_where_it_came_from()
    {
        var template = JinjaTemplate.Parse("<s>{{ a | trim | upper }}|{{ (a ~ b).split('-')[1] }}|{{ b.replace('x', '</s>') }}|{{ [a] | tojson }}</s>");
        var rendered = template.Render([new("a", new SourcedText(" p-q ", '\u0001')), new("b", new SourcedText("xy", '\u0002'))]);

        Assert.Equal("<s>P-Q|q xy|</s>y|[\" p-q \"]</s>", rendered.Text);
        Assert.Equal("0001110" + "11220" + "000020" + "111111111" + "0000", string.Concat(rendered.Sources.Select(source => (int)source)));
    }

    [Fact]
    public void What_is_generated_is_told()
    {
        var rendered = JinjaTemplate.Parse("a{% for x in [1, 2] %}[{% generation %}{{ x }}.{% endgeneration %}]{% endfor %}").Render([]);

        Assert.Equal(["1.", "2."], rendered.Generated.Select(span => rendered.Text[span.Start..span.End]));
    }
}
