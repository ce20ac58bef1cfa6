#!/usr/bin/perl
# prepare.pl FILE.html: prints its text as words for `make data-words`: a paragraph on each line, words and single
# punctuation marks separated by a blank. The result depends on the file alone.
use strict;
use warnings;
use utf8;

my %entity = (amp => '&', lt => '<', gt => '>', quot => '"', apos => "'", nbsp => ' ');

open my $file, '<:encoding(UTF-8)', $ARGV[0] or die "prepare.pl: $ARGV[0]: $!\n";
binmode STDOUT, ':encoding(UTF-8)';
my $text = do { local $/; <$file> };
$text =~ s/\s+/ /g;
$text =~ s/<head>.*?<\/head>|<!--.*?-->|<(script|style)\b.*?<\/\1>//gi;
$text =~ s/<(?:\/?(?:p|div|h\d|li|ul|ol|blockquote|table|tr|hr|pre|dd|dt|dl)|br)\b[^>]*>/\n/gi;
$text =~ s/<\/?[a-zA-Z!][^>]*>//g;
$text =~ s/&#x([0-9a-fA-F]+);/chr hex $1/ge;
$text =~ s/&#([0-9]+);/chr $1/ge;
$text =~ s/&([a-z]+);/exists $entity{$1} ? $entity{$1} : "&$1;"/ge;
for my $line (split /\n/, $text) {
    my @words = $line =~ /\w+|[^\w\s]/g;
    print "@words\n" if @words;
}
