using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace AsFT.MLNet.Cli.Options;

/// <summary>
/// How the command line writes numbers: as JSON and C# do, in every country. The parser's own way takes a comma for a
/// separator between thousands and leaves it out, so that 1,5 would be 15.
/// </summary>
internal static class NumberOptions
{
    private const NumberStyles Whole = NumberStyles.AllowLeadingSign;
    private const NumberStyles Real = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>Gives every numeric option of a command this way of reading.</summary>
    /// <exception cref="NotSupportedException">An option has a numeric type that there is no reading for.</exception>
    public static void Bind(Command command)
    {
        foreach (var option in command.Options) Bind(option);
        foreach (var argument in command.Arguments.Where(argument => IsNumeric(argument.ValueType)))
            throw new NotSupportedException($"The argument {argument.Name} is a number; there is no reading for it yet.");
    }

    /// <summary>Whether values of a type are numbers.</summary>
    public static bool IsNumeric(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return !type.IsEnum && Type.GetTypeCode(type) is >= TypeCode.SByte and <= TypeCode.Decimal;
    }

    /// <summary>What is wrong with the first number of a command line that cannot be read; the parser leaves numbers alone where something else is missing.</summary>
    public static string? FirstProblem(ParseResult parse) => parse.CommandResult.Children.OfType<OptionResult>().Select(result => result.Option switch
    {
        Option<int> or Option<int?> => Problem<int>(result, Whole),
        Option<long> or Option<long?> => Problem<long>(result, Whole),
        Option<double> or Option<double?> => Problem<double>(result, Real),
        _ => null,
    }).FirstOrDefault(problem => problem is not null);

    private static void Bind(Option option)
    {
        switch (option)
        {
            case Option<int> whole: whole.CustomParser = result => Read<int>(result, Whole) ?? 0; break;
            case Option<int?> whole: whole.CustomParser = result => Read<int>(result, Whole); break;
            case Option<long> whole: whole.CustomParser = result => Read<long>(result, Whole) ?? 0; break;
            case Option<long?> whole: whole.CustomParser = result => Read<long>(result, Whole); break;
            case Option<double> real: real.CustomParser = result => Read<double>(result, Real) ?? 0; break;
            case Option<double?> real: real.CustomParser = result => Read<double>(result, Real); break;
            default:
                if (IsNumeric(option.ValueType)) throw new NotSupportedException($"{option.Name} is of type {option.ValueType.Name}; there is no reading for it yet.");
                break;
        }
    }

    private static T? Read<T>(ArgumentResult result, NumberStyles style) where T : struct, INumber<T>, IMinMaxValue<T>
    {
        var text = result.Tokens is [var token, ..] ? token.Value : "";
        if (TryRead<T>(text, style, out var number)) return number;
        result.AddError(Named<T>(result.Parent as OptionResult, text, style));
        return null;
    }

    private static string? Problem<T>(OptionResult option, NumberStyles style) where T : struct, INumber<T>, IMinMaxValue<T> =>
        option.Tokens is [{ Value: var text }, ..] && !TryRead<T>(text, style, out _) ? Named<T>(option, text, style) : null;

    private static bool TryRead<T>(string text, NumberStyles style, out T number) where T : struct, INumber<T> =>
        T.TryParse(text, style, CultureInfo.InvariantCulture, out number) && T.IsFinite(number);

    private static string Named<T>(OptionResult? option, string text, NumberStyles style) where T : struct, INumber<T>, IMinMaxValue<T> =>
        $"{option?.IdentifierToken?.Value ?? "The number"} {text}: {Problem<T>(text, style)}";

    private static string Problem<T>(string text, NumberStyles style) where T : struct, INumber<T>, IMinMaxValue<T>
    {
        if (text.Contains(',', StringComparison.Ordinal))
            return "there is a comma in the number; write a decimal point, such as 1.5, and nothing between thousands, such as 1000.";
        if (style == Real) return "a number is wanted, such as 10, 0.5 or 1e-4.";
        return BigInteger.TryParse(text, Whole, CultureInfo.InvariantCulture, out _)
            ? $"it must lie between {T.MinValue} and {T.MaxValue}."
            : "a whole number is wanted, such as 10.";
    }
}
